// Logins: a user logs in, looks at the account, refreshes the session and logs out. One iteration is
// four requests and one hash of a password. See load.js for the settings.
//
// The gateway lets one address log in 5 times a second, and 20 times at once. This is written to stay
// below: 4 users that each log in once a second at most. With more, 429 is the right answer, and here
// it counts as a failure.

import http from 'k6/http';
import exec from 'k6/execution';
import { check, fail } from 'k6';
import { atMostEvery, base, json, load } from './load.js';

const USERS = 4;
const SECONDS_BETWEEN_LOGINS = 1;
const password = 'a password for load only';

export const options = {
  scenarios: { sessions: load({ vus: USERS, duration: '30s' }) },
  thresholds: {
    'http_req_duration{name:login}': ['p(95)<1000'],
    'http_req_duration{name:me}': ['p(95)<500'],
    'http_req_duration{name:refresh}': ['p(95)<500'],
    'http_req_duration{name:logout}': ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
    checks: ['rate>0.99'],
  },
};

const post = (name, body) =>
  http.post(`${base}/auth/${name}`, JSON.stringify(body), { headers: json, tags: { name } });

// Few accounts, whatever the load: each costs a hash, and stays.
export function setup() {
  const run = `${Date.now()}-${Math.floor(Math.random() * 1e9)}`;
  return Array.from({ length: USERS }, (_, number) => {
    const email = `load-${run}-${number}@example.org`;
    const answer = post('register', { email, password });
    if (answer.status !== 201) {
      fail(`register answered ${answer.status}: ${answer.body}`);
    }
    return email;
  });
}

export default function (emails) {
  const email = emails[exec.vu.idInTest % emails.length];
  atMostEvery(SECONDS_BETWEEN_LOGINS, () => logIn(email));
}

function logIn(email) {
  const login = post('login', { email, password });
  if (check(login, { 'login is 200': ({ status }) => status === 200 })) {
    useSession(email, login);
  }
}

function useSession(email, login) {
  const headers = { Authorization: `Bearer ${login.json('access_token')}` };
  const me = http.get(`${base}/auth/me`, { headers, tags: { name: 'me' } });
  check(me, {
    'me is 200': ({ status }) => status === 200,
    'me is who logged in': (answer) => answer.status === 200 && answer.json('email') === email,
  });

  const refreshed = post('refresh', { refresh_token: login.json('refresh_token') });
  if (!check(refreshed, { 'refresh is 200': ({ status }) => status === 200 })) {
    return;
  }

  const logout = post('logout', { refresh_token: refreshed.json('refresh_token') });
  check(logout, { 'logout is 204': ({ status }) => status === 204 });
}
