// The load beside a release: 300 requests a second that keep coming however slow the answers are,
// half of them lists, half searches, and now and then a note that is created and deleted again.
// See load.js for the settings. SUMMARY names the file for the result; nothing else is written.
//   k6 run --quiet --env SUMMARY=result.json k6/release.js
//
// Every answer but a 2xx, and every request without an answer, counts in http_req_failed.
// The searches are what shows a loss: they are POSTs, which no client may repeat by itself. k6's
// own client repeats a GET whose kept connection turned out to be closed, and says nothing.

import http from 'k6/http';
import exec from 'k6/execution';
import { base, json, load } from './load.js';

const ITERATIONS_PER_WRITE = 100;

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }));

export const options = {
  scenarios: { release: load({ rate: 300, vus: 100, duration: '60s' }) },
  thresholds: { http_req_failed: ['rate==0'] },
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)'],
};

export default function () {
  const iteration = exec.scenario.iterationInTest;
  if (iteration % ITERATIONS_PER_WRITE === 0) {
    createAndDelete(iteration);
  } else if (iteration % 2 === 0) {
    http.get(`${base}/notes/`, { tags: { name: 'list' } });
  } else {
    const wanted = JSON.stringify({ text: 'release' });
    http.post(`${base}/notes/search`, wanted, { headers: json, tags: { name: 'search' } });
  }
}

function createAndDelete(iteration) {
  const note = JSON.stringify({ title: `release load ${iteration}` });
  const created = http.post(`${base}/notes/`, note, { headers: json, tags: { name: 'create' } });
  if (created.status === 201) {
    http.del(`${base}/notes/${created.json('id')}`, null, { tags: { name: 'delete' } });
  }
}

export function handleSummary(summary) {
  return __ENV.SUMMARY ? { [__ENV.SUMMARY]: JSON.stringify(summary, null, 2) } : {};
}
