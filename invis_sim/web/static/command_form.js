// A form for any command, made of the JSON Schema.

import { get, Problem, request } from "./requests.js";
import { h, setAttribute, setChildren, setText, show } from "./dom.js";
import { createField, InputProblem } from "./schema_form.js";

const CONDITIONS = ["after_seconds", "every_seconds", "after_request"]; // of a step, not of a command
const JSON_ONLY = ["set"]; // the form of the whole state would have hundreds of fields

/** Fill a form with the choice of a command and the fields of its value.
 *
 * path: () → where the command is sent. done: called when it was carried out. */
export async function createCommandForm(form, { path, done }) {
  const { definitions } = await get("/api/schema");
  const schemas = Object.entries(definitions.Step.properties).filter(([key]) => !CONDITIONS.includes(key));
  const select = h("select", { id: "command" }, schemas.map(([key]) => h("option", {}, key)));
  const holder = h("div", { class: "fields" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const words = h("span", { class: "quiet", role: "status" });
  let field = null;

  function choose() {
    const [key, schema] = schemas.find(([one]) => one === select.value);
    const { description } = schema;
    field = createField(JSON_ONLY.includes(key) ? { description } : schema, definitions, key, key, true);
    // What is only switched on has nothing to fill in.
    if (schema.type === "boolean") setChildren(holder, h("p", { class: "hint" }, description));
    else setChildren(holder, field.element);
    setText(words, "");
    showProblems([]);
  }

  function showProblems(problems) {
    const others = field.showProblems(problems);
    setText(problem, others.map(({ path: at, message }) => (at ? `${at}: ${message}` : message)).join("\n"));
    show(problem, others.length > 0);
    form.querySelector("[aria-invalid=true]")?.focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button.primary");
    setAttribute(button, "disabled", true);
    setText(words, "");
    try {
      const key = select.value;
      const answer = await request("POST", path(), { [key]: field.read() ?? true });
      const number = Object.keys(answer).length;
      showProblems([]);
      setText(words, `${key}: carried out by ${number} ${number === 1 ? "outlet" : "outlets"}.`);
      await done();
    } catch (error) {
      if (error instanceof InputProblem) showProblems([error.problem]);
      else if (error instanceof Problem) {
        showProblems(error.problems.length > 0 ? error.problems : [{ path: "", message: error.message }]);
      } else throw error;
    } finally {
      setAttribute(button, "disabled", false);
    }
  });
  select.addEventListener("change", choose);
  setChildren(
    form,
    h("div", { class: "field" }, h("label", { for: "command" }, "Command"), select),
    holder,
    problem,
    h("div", { class: "row" }, h("button", { class: "primary" }, "Carry out"), words),
  );
  select.value = "reboot";
  choose();
}
