// The load beside a release: so many requests a second, however slow the answers are. Lists and
// searches of notes mostly; now and then a note is written and deleted, an account is looked at, a
// file goes up, comes down and is deleted. See load.js for the settings. SUMMARY names the file for
// the result; nothing else is written.
//   k6 run --quiet --env SUMMARY=result.json k6/release.js
//
// Every answer but a 2xx, and every request without an answer, counts in http_req_failed.
// The searches are what shows a loss: they are POSTs, which no client may repeat by itself. k6's
// own client repeats a GET whose kept connection turned out to be closed, and says nothing.

import http from 'k6/http';
import exec from 'k6/execution';
import { base, json, load } from './load.js';
import { signUp } from './users.js';

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }));

export const options = {
  scenarios: { release: load({ rate: 300, vus: 100, duration: '60s' }) },
  thresholds: { http_req_failed: ['rate==0'] },
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)'],
};

export function setup() {
  return signUp();
}

// By the iteration's number: what is rare comes at fixed places of a hundred.
export default function (user) {
  const iteration = exec.scenario.iterationInTest;
  switch (iteration % 100) {
    case 0:
      return writeNote(user, iteration);
    case 50:
      return storeFile(user, iteration);
    case 25:
    case 75:
      return http.get(`${base}/auth/me`, { headers: user, tags: { name: 'me' } });
    default:
      return iteration % 2 ? search() : list();
  }
}

// The gateway would answer most lists by itself: a release is to be seen by the service's own.
const uncached = { headers: { 'Cache-Control': 'no-cache' }, tags: { name: 'list' } };

function list() {
  http.get(`${base}/notes/`, uncached);
}

function search() {
  const wanted = JSON.stringify({ text: 'release' });
  http.post(`${base}/notes/search`, wanted, { headers: json, tags: { name: 'search' } });
}

function writeNote(headers, iteration) {
  const note = JSON.stringify({ title: `release load ${iteration}` });
  const created = http.post(`${base}/notes/`, note, { headers, tags: { name: 'create' } });
  if (created.status === 201) {
    const place = `${base}/notes/${created.json('id')}`;
    http.del(place, null, { headers, tags: { name: 'delete' } });
  }
}

function storeFile({ Authorization }, iteration) {
  const headers = { Authorization };
  const form = { file: http.file(`load ${iteration}`.repeat(1000), 'load.txt', 'text/plain') };
  const stored = http.post(`${base}/assets/`, form, { headers, tags: { name: 'upload' } });
  if (stored.status === 201) {
    const place = `${base}/assets/${stored.json('id')}`;
    http.get(place, { tags: { name: 'download' } });
    http.del(place, null, { headers, tags: { name: 'remove' } });
  }
}

export function handleSummary(summary) {
  return __ENV.SUMMARY ? { [__ENV.SUMMARY]: JSON.stringify(summary, null, 2) } : {};
}
