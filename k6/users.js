// A user of one run: registered and logged in once, in setup(), before the load begins.

import http from 'k6/http';
import { fail } from 'k6';
import { base, json } from './load.js';

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

function random(length) {
  return Array.from({ length }, () => letters[Math.floor(Math.random() * letters.length)]).join('');
}

// Returns the headers of requests with this user's token, which is good for 15 minutes.
export function signUp() {
  const account = JSON.stringify({ email: `load-${random(16)}@example.test`, password: random(32) });
  const registered = http.post(`${base}/auth/register`, account, { headers: json });
  if (registered.status !== 201) {
    fail(`nobody could register: status ${registered.status} ${registered.body}`);
  }
  const entered = http.post(`${base}/auth/login`, account, { headers: json });
  if (entered.status !== 200) {
    fail(`nobody could log in: status ${entered.status} ${entered.body}`);
  }
  return { ...json, Authorization: `Bearer ${entered.json('access_token')}` };
}
