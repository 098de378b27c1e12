// Reads: 20 users look at the list of notes, ten times a second each. See load.js for the settings.

import http from 'k6/http';
import { check, sleep } from 'k6';
import { base, load } from './load.js';

export const options = {
  scenarios: { list: load({ vus: 20, duration: '30s' }) },
  thresholds: {
    http_req_duration: ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
  },
};

export default function () {
  const answer = http.get(`${base}/notes/`);
  check(answer, { 'status is 200': ({ status }) => status === 200 });
  sleep(0.1);
}
