// Load that only reads: an app that guards its forms takes no other site's POST.
import http from 'k6/http';

export { options, handleSummary } from './load.js';

export default function () {
  http.get(__ENV.BASE_URL);
}
