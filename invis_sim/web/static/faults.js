// The faults in force, and a form for new ones, made of the JSON Schema.

import { get, Problem, request } from "./requests.js";
import { byId, h, keyedList, setAttribute, setChildren, setText, show } from "./dom.js";
import { createFields, InputProblem, resolve } from "./schema_form.js";

export function createFaults({ send, path, refresh }) {
  const list = keyedList(
    byId("faults"),
    ({ id }) => id,
    (fault) => createRow(fault, send, path),
  );
  createForm(path, refresh);

  function render({ faults }) {
    list(faults);
    setText(byId("fault-count"), faults.length || "");
    show(byId("no-faults"), faults.length === 0);
    const names = [...new Set(faults.map(({ name }) => name))];
    const options = byId("fault-names");
    if (options.children.length !== names.length) {
      setChildren(options, names.map((name) => h("option", { value: name })));
    }
  }

  return { render };
}

function createRow({ id, name, kind, fault }, send, path) {
  let enabled = true;
  const toggle = h("button", {
    role: "switch",
    "aria-label": `Fault ${id}`,
    onclick: () => send("PATCH", path("faults", id), { enabled: !enabled }),
  });
  const counts = h("span", { class: "quiet" });
  const remove = h(
    "button",
    { class: "small", "aria-label": `Remove fault ${id}`, onclick: () => send("DELETE", path("faults", id)) },
    "Remove",
  );
  const { kind: _kind, name: _name, ...rest } = fault;
  const element = h(
    "li",
    {},
    h(
      "div",
      { class: "row spread" },
      h("span", { class: "toggle" }, toggle, h("b", {}, name), name === kind ? null : h("span", { class: "quiet" }, ` ${kind}`)),
      h("span", { class: "row" }, counts, remove),
    ),
    Object.keys(rest).length > 0 ? h("code", { class: "table" }, inlineTable(rest)) : null,
  );
  function update(now) {
    enabled = now.enabled;
    setAttribute(toggle, "aria-checked", enabled ? "true" : "false");
    element.classList.toggle("disabled", !enabled);
    setText(counts, `applied ${now.applied} of ${now.matched}`);
  }
  return { element, update };
}

/** Return a table as a scenario file has it, in one line. */
function inlineTable(table) {
  return Object.entries(table)
    .map(([key, value]) => `${key} = ${inlineValue(value)}`)
    .join(", ");
}

function inlineValue(value) {
  if (Array.isArray(value)) return `[${value.map(inlineValue).join(", ")}]`;
  if (value !== null && typeof value === "object") return `{ ${inlineTable(value)} }`;
  return JSON.stringify(value);
}

async function createForm(path, refresh) {
  const form = byId("fault-form");
  const { definitions } = await get("/api/schema");
  const kinds = definitions.Fault.oneOf.map((one) => resolve(one, definitions));
  const select = h("select", { id: "fault-kind" }, kinds.map(({ title }) => h("option", {}, title)));
  const manual = h("p", { class: "hint manual" });
  const fields = h("div", { class: "fields" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const done = h("span", { class: "quiet", role: "status" });
  let current = null;

  function choose() {
    const kind = kinds.find(({ title }) => title === select.value);
    // Its fields follow, each with its own description.
    setText(manual, kind.description.split("\n\n").slice(0, 2).join("\n"));
    current = createFields(kind, definitions, "", ["kind"]);
    const own = current.fields.filter(([key]) => !["name", "enabled", "when"].includes(key));
    const common = new Map(current.fields);
    setChildren(
      fields,
      own.map(([, field]) => field.element),
      h("details", { open: true }, h("summary", {}, "When it applies"), common.get("when").element),
      h("details", {}, h("summary", {}, "Name and switch"), common.get("name").element, common.get("enabled").element),
    );
    showProblems([]);
  }

  function showProblems(problems) {
    const others = current.showProblems(problems);
    setText(problem, others.map(({ path: at, message }) => (at ? `${at}: ${message}` : message)).join("\n"));
    show(problem, others.length > 0);
    const first = form.querySelector("[aria-invalid=true]");
    first?.closest("details:not([open])")?.setAttribute("open", "");
    first?.focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    setText(done, "");
    try {
      const [added] = await request("POST", path("faults"), { kind: select.value, ...current.read(true) });
      showProblems([]);
      setText(done, `Added ${added.id}.`);
      await refresh();
    } catch (error) {
      if (error instanceof InputProblem) showProblems([error.problem]);
      else if (error instanceof Problem) {
        showProblems(error.problems.length > 0 ? error.problems : [{ path: "", message: error.message }]);
      } else throw error;
    }
  });
  select.addEventListener("change", choose);
  setChildren(
    form,
    h("div", { class: "field" }, h("label", { for: "fault-kind" }, "Kind"), select, manual),
    fields,
    problem,
    h("div", { class: "row" }, h("button", { class: "primary" }, "Add fault"), done),
  );
  select.value = "delay";
  choose();
}
