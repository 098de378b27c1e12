// Files: a user stores a picture or some bytes, reads them back, whole, in part and as known already,
// and deletes them. One iteration is five requests, and leaves no file behind. See load.js for the
// settings.
//
// The gateway lets one address write 50 times a second. This is written to stay below: 10 users that
// each store and delete a file twice a second at most. With more, 429 is the right answer, and here
// it counts as a failure. The token of the one user is good for 15 minutes.

import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { atMostEvery, base, load } from './load.js';
import { signUp } from './users.js';

const SECONDS_BETWEEN_FILES = 0.5;

// One pixel.
const picture = encoding.b64decode(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg==',
);
const files = [
  { name: 'pixel.png', content: picture, type: 'image/png' },
  ...[1, 64, 1024].map((kib) => ({
    name: `${kib} KiB.bin`,
    content: crypto.randomBytes(kib * 1024),
    type: 'application/octet-stream',
  })),
].map((file) => ({ ...file, sha256: crypto.sha256(file.content, 'hex') }));

// 304 is what a client with a copy hopes for.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }, 304));

export const options = {
  scenarios: { files: load({ vus: 10, duration: '30s' }) },
  thresholds: {
    'http_req_duration{name:upload}': ['p(95)<1000'],
    'http_req_duration{name:download}': ['p(95)<500'],
    'http_req_duration{name:range}': ['p(95)<500'],
    'http_req_duration{name:copy}': ['p(95)<500'],
    'http_req_duration{name:delete}': ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
    checks: ['rate>0.99'],
  },
};

export function setup() {
  // Whose content is a form says so itself.
  return { Authorization: signUp().Authorization };
}

export default function (user) {
  atMostEvery(SECONDS_BETWEEN_FILES, () => useFile(user));
}

function useFile(user) {
  const file = files[exec.scenario.iterationInTest % files.length];

  const form = { file: http.file(file.content, file.name, file.type) };
  const stored = http.post(`${base}/assets/`, form, { headers: user, tags: { name: 'upload' } });
  if (
    check(stored, {
      'upload is 201': ({ status }) => status === 201,
      'upload has the digest of the file': (answer) =>
        answer.status === 201 && answer.json('sha256') === file.sha256,
    })
  ) {
    const address = `${base}/assets/${stored.json('id')}`;
    read(address, file);
    const deleted = http.del(address, null, { headers: user, tags: { name: 'delete' } });
    check(deleted, { 'delete is 204': ({ status }) => status === 204 });
  }
}

function read(address, file) {
  const tag = `"${file.sha256}"`;
  const get = (name, headers) =>
    http.get(address, { headers, tags: { name }, responseType: 'binary' });

  const whole = get('download', {});
  check(whole, {
    'download is 200': ({ status }) => status === 200,
    'download is as long as the file': ({ body }) =>
      body !== null && body.byteLength === file.content.byteLength,
    'download is the file': ({ body }) =>
      body !== null && crypto.sha256(body, 'hex') === file.sha256,
    'download has the tag of the file': ({ headers }) => headers.Etag === tag,
    'download has the type of the file': ({ headers }) => headers['Content-Type'] === file.type,
  });

  const last = file.content.byteLength - 1;
  const part = get('range', { Range: `bytes=10-${last}`, 'If-Range': tag });
  check(part, {
    'range is 206': ({ status }) => status === 206,
    'range is the rest of the file': ({ body }) =>
      body !== null &&
      crypto.sha256(body, 'hex') === crypto.sha256(file.content.slice(10), 'hex'),
  });

  const copy = get('copy', { 'If-None-Match': tag });
  check(copy, { 'a copy is not sent again': ({ status }) => status === 304 });
}
