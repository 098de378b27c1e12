// Reads: the list of notes, as fast as 20 users take it. See load.js for the settings.

import http from 'k6/http';
import { check } from 'k6';
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
}
