// 300 requests a second at the test's app, every other one a POST; any answer but 200 is a failure.
import http from 'k6/http';
import exec from 'k6/execution';

http.setResponseCallback(http.expectedStatuses(200));

export const options = {
  scenarios: {
    load: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 300),
      timeUnit: '1s',
      duration: '10m', // ended by SIGINT
      preAllocatedVUs: 50,
      maxVUs: 300,
      gracefulStop: '10s',
    },
  },
};

export default function () {
  const answer =
    exec.scenario.iterationInTest % 2
      ? http.get(__ENV.BASE_URL)
      : http.post(__ENV.BASE_URL, JSON.stringify({ by: 'k6' }));
  if (__ENV.PROTO && answer.status === 200 && answer.proto !== __ENV.PROTO) {
    exec.test.abort(answer.proto);
  }
}

export function handleSummary(summary) {
  return { [__ENV.SUMMARY]: JSON.stringify(summary) };
}
