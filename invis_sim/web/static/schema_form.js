// A form made of a JSON Schema. Each field is { element, read, showProblems }:
//   read() returns the value that the user has given, or undefined where there is none.
//   showProblems(problems) shows those that are about the field, and returns the others.

import { h, setAttribute, show } from "./dom.js";

let lastId = 0;
const newId = () => `field-${++lastId}`;

/** Input that is not what the schema asks for, found before it is sent. */
export class InputProblem extends Error {
  constructor(path, message) {
    super(`${path}: ${message}`);
    this.problem = { path, message };
  }
}

/** Return the field for a schema.
 *
 * path: the keys to it, as problems name it: "when.callback". name: its last key. */
export function createField(schema, definitions, path, name, required = false) {
  const resolved = resolve(schema, definitions);
  const context = { definitions, path, name, required, hint: hintOf(resolved) };
  const one = resolved.anyOf ?? resolved.oneOf;
  if (one) {
    const list = listOfSame(one);
    return list ? createListOrOne(list, context) : createChoice(one, context);
  }
  if (resolved.enum) return createSelect(resolved, context);
  switch (resolved.type) {
    case "object":
      return resolved.properties ? createObject(resolved, context) : createJson(context);
    case "boolean":
      return createCheckbox(resolved, context);
    case "integer":
    case "number":
      return createNumber(resolved, context);
    case "string":
      return createText(resolved, context);
    default:
      return createJson(context);
  }
}

/** Return the fields of an object, and what reads and marks them all.
 *
 * omit: keys that get no field. */
export function createFields(schema, definitions, path, omit = []) {
  const prefix = path === "" ? "" : `${path}.`;
  const fields = Object.entries(schema.properties)
    .filter(([key]) => !omit.includes(key))
    .map(([key, value]) => {
      return [key, createField(value, definitions, `${prefix}${key}`, key, schema.required?.includes(key))];
    });
  return {
    fields,
    /** Return the object; undefined where no key has a value, unless it must be there. */
    read(isNeeded = false) {
      const given = fields.map(([key, field]) => [key, field.read()]).filter(([, value]) => value !== undefined);
      if (given.length === 0 && !isNeeded) return undefined;
      const object = Object.fromEntries(given);
      const missing = (schema.required ?? []).find((key) => !omit.includes(key) && !(key in object));
      if (missing !== undefined) throw new InputProblem(`${prefix}${missing}`, "a value is required");
      return object;
    },
    showProblems: (problems) => fields.reduce((left, [, field]) => field.showProblems(left), problems),
  };
}

/** Return a schema with what it refers to. */
export function resolve(schema, definitions) {
  const target = schema.$ref ?? (schema.allOf?.length === 1 ? schema.allOf[0].$ref : undefined);
  if (target === undefined) return schema;
  const { $ref, allOf, ...own } = schema;
  return { ...definitions[target.split("/").pop()], ...own };
}

const MAX_PLAIN = 5; // of more keys that may be omitted, the first three are in view

const hintOf = ({ description = "" }) => description.replace(/\n\n[A-Z]\w+\.$/, "");

/** Return the item's schema of "one X, or a list of X"; null for other choices. */
function listOfSame(choices) {
  if (choices.length !== 2) return null;
  const list = choices.find(({ type }) => type === "array");
  const single = choices.find((choice) => choice !== list);
  const simple = ["integer", "number", "string"].includes(single?.type) && !single.enum;
  return list && simple && list.items?.type === single.type ? single : null;
}

function createLabelled(input, { path, name, required, hint }, read) {
  const id = newId();
  input.id = id;
  const problem = h("p", { class: "problem", id: `${id}-problem`, hidden: true });
  const described = hint ? `${id}-hint ${id}-problem` : `${id}-problem`;
  setAttribute(input, "aria-describedby", described);
  setAttribute(input, "data-path", path);
  const label = h("label", { for: id }, name, required ? h("span", { class: "quiet" }, " required") : null);
  const isCheckbox = input.type === "checkbox";
  const element = h(
    "div",
    { class: "field" },
    isCheckbox ? h("div", { class: "check" }, input, label) : [label, input],
    hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
    problem,
  );
  function showProblems(problems) {
    const mine = problems.filter((one) => one.path === path || one.path.startsWith(`${path}[`));
    setAttribute(input, "aria-invalid", mine.length > 0 ? "true" : null);
    problem.replaceChildren(mine.map(({ message }) => message).join("; "));
    show(problem, mine.length > 0);
    return problems.filter((one) => !mine.includes(one));
  }
  return { element, read, showProblems };
}

const shownDefault = (value) => (value === undefined || value === "" ? "" : JSON.stringify(value));

function createText(schema, context) {
  const input = h("input", { type: "text", placeholder: shownDefault(schema.default) });
  return createLabelled(input, context, () => (input.value === "" ? undefined : input.value));
}

function createNumber(schema, context) {
  const input = h("input", {
    type: "text",
    inputmode: schema.type === "integer" ? "numeric" : "decimal",
    placeholder: shownDefault(schema.default),
    list: context.name === "callback" ? "callbacks" : null,
  });
  return createLabelled(input, context, () => toNumber(input.value, context.path));
}

function toNumber(text, path) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  if (Number.isNaN(Number(trimmed))) throw new InputProblem(path, `expected a number, found ${JSON.stringify(trimmed)}`);
  return Number(trimmed);
}

function createListOrOne(single, context) {
  const input = h("input", {
    type: "text",
    placeholder: single.type === "string" ? "one, or several: a, b" : "one, or several: 1, 2",
    list: context.name === "callback" ? "callbacks" : null,
  });
  const read = () => {
    const parts = input.value.split(",").map((part) => part.trim()).filter((part) => part !== "");
    const values = parts.map((part) => (single.type === "string" ? part : toNumber(part, context.path)));
    return values.length > 1 ? values : values[0];
  };
  return createLabelled(input, context, read);
}

function createSelect(schema, context) {
  const byDefault = schema.default === undefined ? "" : `default: ${schema.default}`;
  const select = h(
    "select",
    {},
    context.required ? null : h("option", { value: "" }, byDefault),
    schema.enum.map((value) => h("option", { value: JSON.stringify(value) }, value)),
  );
  return createLabelled(select, context, () => (select.value === "" ? undefined : JSON.parse(select.value)));
}

function createCheckbox(schema, context) {
  const input = h("input", { type: "checkbox" });
  const byDefault = schema.default === true;
  input.checked = byDefault;
  return createLabelled(input, context, () => (input.checked === byDefault ? undefined : input.checked));
}

function createJson(context) {
  const input = h("textarea", { rows: 2, placeholder: 'JSON, such as [1, 0] or "text"', spellcheck: "false" });
  const read = () => {
    if (input.value.trim() === "") return undefined;
    try {
      return JSON.parse(input.value);
    } catch (error) {
      throw new InputProblem(context.path, `expected JSON: ${error.message}`);
    }
  };
  return createLabelled(input, context, read);
}

function createObject(schema, context) {
  const inner = createFields(schema, context.definitions, context.path);
  const problem = h("p", { class: "problem", hidden: true });
  const element = h(
    "fieldset",
    {},
    h("legend", {}, context.name),
    context.hint ? h("p", { class: "hint" }, context.hint.split("\n\n")[0]) : null,
    inViewFirst(inner.fields.map(([, field]) => field.element), schema.required ?? []),
    problem,
  );
  function showProblems(problems) {
    const others = inner.showProblems(problems);
    const mine = others.filter(({ path }) => path === context.path || path.startsWith(`${context.path}.`));
    problem.replaceChildren(mine.map(({ message }) => message).join("; "));
    show(problem, mine.length > 0);
    return others.filter((one) => !mine.includes(one));
  }
  return { element, read: () => inner.read(), showProblems };
}

function inViewFirst(elements, required) {
  if (required.length > 0 || elements.length <= MAX_PLAIN) return elements;
  const [first, others] = [elements.slice(0, 3), elements.slice(3)];
  return [...first, h("details", {}, h("summary", {}, "More"), h("div", { class: "fields" }, others))];
}

/** A value in one of several forms: the user chooses the form first. */
function createChoice(choices, context) {
  const names = choices.map((choice) => formName(resolve(choice, context.definitions)));
  const select = h("select", {}, names.map((name, index) => h("option", { value: index }, name)));
  const forms = choices.map((choice) => {
    return createField({ ...choice, description: "" }, context.definitions, context.path, context.name, context.required);
  });
  const holder = h("div", { class: "choice" });
  const current = () => forms[Number(select.value)];
  const update = () => holder.replaceChildren(current().element);
  select.addEventListener("change", update);
  update();
  const labelled = createLabelled(select, { ...context, name: `${context.name} as`, required: false }, () => current().read());
  labelled.element.append(holder);
  return { ...labelled, showProblems: (problems) => current().showProblems(problems) };
}

function formName(schema) {
  const words = { integer: "a whole number", number: "a number", string: "text", array: "a list", boolean: "yes or no" };
  return words[schema.type] ?? schema.title?.toLowerCase() ?? "JSON";
}
