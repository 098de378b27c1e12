// What the scripts share: where the load goes and how much of it there is.
//   BASE_URL  the gateway                                     http://127.0.0.1:8080
//   RATE      iterations started a second, however slow the answers are (an open model)
//   VUS       without RATE: users that each start again when they are done (a closed model);
//             with RATE: users ready at the start
//   DURATION  as in 30s or 5m

import { sleep } from 'k6';

export const base = (__ENV.BASE_URL || 'http://127.0.0.1:8080').replace(/\/+$/, '');

export const json = { 'Content-Type': 'application/json' };

export function load({ rate, vus, duration }) {
  const users = Number(__ENV.VUS || vus);
  const lasting = __ENV.DURATION || duration;
  const wanted = Number(__ENV.RATE || rate);
  if (!wanted) {
    return { executor: 'constant-vus', vus: users, duration: lasting, gracefulStop: '10s' };
  }
  return {
    executor: 'constant-arrival-rate',
    rate: wanted,
    timeUnit: '1s',
    duration: lasting,
    preAllocatedVUs: users,
    // A gateway that stalls must not slow the load down: then more users are needed, not fewer.
    maxVUs: Math.max(users, wanted),
    gracefulStop: '10s',
  };
}

// Runs an iteration and waits until the user's next may start: `seconds` after this one at the
// earliest. With RATE the iterations are paced from outside.
export function atMostEvery(seconds, iterate) {
  const started = Date.now();
  iterate();
  if (!__ENV.RATE) {
    sleep(Math.max(0, seconds - (Date.now() - started) / 1000));
  }
}
