// The load of the end-to-end tests, for as long as a soak takes.
import load, { handleSummary, options as brief } from '../e2e/load.js';

export default load;
export { handleSummary };

export const options = {
  scenarios: { load: Object.assign({}, brief.scenarios.load, { duration: '6h' }) }, // ended by SIGINT
};
