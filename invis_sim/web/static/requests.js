// Requests to the simulator.

/** What was refused, or could not be asked.
 *
 * status: of HTTP; 0: the simulator did not answer. problems: each { path, message }. */
export class Problem extends Error {
  constructor(status, detail, problems = []) {
    super(detail);
    this.status = status;
    this.problems = problems;
  }
}

/** Send a request and return the answer. Throws Problem.
 *
 * as: "text": the text of the answer, also where that is JSON. */
export async function request(method, path, body, as = "json") {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response, text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch {
    throw new Problem(0, "The simulator does not answer.");
  }
  const type = response.headers.get("content-type") ?? "";
  if (response.ok && as === "text") return text;
  const answer = type.includes("json") && text !== "" ? JSON.parse(text) : text;
  if (response.ok) return answer;
  throw new Problem(response.status, detailOf(response.status, answer), answer?.problems ?? []);
}

function detailOf(status, answer) {
  if (status === 401) return "A token is required: open the address that was printed at the start.";
  return answer?.detail ?? `The simulator answered with status ${status}.`;
}

/** Return what is at a path. Throws Problem. as: "text": as text, also where that is JSON. */
export function get(path, as) {
  return request("GET", path, undefined, as);
}

/** Return the path of an outlet, with what follows: `outletPath("0003C44076", "faults")`. */
export function outletPath(sn, ...parts) {
  return ["/api/outlets", ...[sn, ...parts].map((part) => encodeURIComponent(part))].join("/");
}
