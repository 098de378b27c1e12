// Reads and writes: a user lists, searches, creates a note, reads it, changes it and deletes it.
// One iteration is six requests. It leaves no note behind. See load.js for the settings.

import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { base, json, load } from './load.js';

export const options = {
  scenarios: { mixed: load({ vus: 20, duration: '30s' }) },
  thresholds: {
    http_req_duration: ['p(95)<500'],
    'http_req_duration{kind:read}': ['p(95)<500'],
    'http_req_duration{kind:write}': ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
    checks: ['rate>0.99'],
  },
};

const read = (name) => ({ headers: json, tags: { kind: 'read', name } });
const write = (name) => ({ headers: json, tags: { kind: 'write', name } });

export default function () {
  const title = `load ${exec.vu.idInTest}-${exec.vu.iterationInScenario}`;

  const list = http.get(`${base}/notes/?limit=10`, read('list'));
  check(list, { 'list is 200': ({ status }) => status === 200 });

  const search = http.post(`${base}/notes/search`, JSON.stringify({ text: title }), read('search'));
  check(search, { 'search is 200': ({ status }) => status === 200 });

  const created = http.post(`${base}/notes/`, JSON.stringify({ title, body: 'a' }), write('create'));
  if (!check(created, { 'create is 201': ({ status }) => status === 201 })) {
    return;
  }
  const note = `${base}/notes/${created.json('id')}`;

  const got = http.get(note, read('get'));
  check(got, {
    'get is 200': ({ status }) => status === 200,
    'get is what was created': (answer) => answer.body === created.body,
  });

  const change = JSON.stringify({ title, body: 'b', version: created.json('version') });
  const updated = http.put(note, change, write('update'));
  check(updated, { 'update is 200': ({ status }) => status === 200 });

  const deleted = http.del(note, null, write('delete'));
  check(deleted, { 'delete is 204': ({ status }) => status === 204 });
}
