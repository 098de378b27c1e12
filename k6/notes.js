// Reads and writes: a user lists, searches, creates a note, reads it, changes it, changes it once
// more too late, and deletes it. One iteration is seven requests. It leaves no note behind, only the
// accounts of its users. See load.js for the settings.
//
// The users log in once, before the load, and their tokens are good for 15 minutes: a run can be no
// longer than that.

import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { atMostEvery, base, json, load } from './load.js';
import { signUp } from './users.js';

// Few, because each costs two hashes of a password; the load's users share them.
const USERS = 4;
// The twenty users then write 267 times a second at most, and the gateway lets one client write 300
// times: a fast machine is not to be told that it asks too much.
const SECONDS_BETWEEN_NOTES = 0.3;

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

// An update that comes too late is meant to be refused.
const conflict = http.expectedStatuses(409);

const read = (name) => ({ headers: json, tags: { kind: 'read', name } });

export function setup() {
  return Array.from({ length: USERS }, signUp);
}

export default function (users) {
  atMostEvery(SECONDS_BETWEEN_NOTES, () => useNotes(users));
}

function useNotes(users) {
  const headers = users[exec.vu.idInTest % users.length];
  const write = (name) => ({ headers, tags: { kind: 'write', name } });
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

  const late = http.put(note, change, { ...write('late'), responseCallback: conflict });
  check(late, { 'a late update is 409': ({ status }) => status === 409 });

  const deleted = http.del(note, null, write('delete'));
  check(deleted, { 'delete is 204': ({ status }) => status === 204 });
}
