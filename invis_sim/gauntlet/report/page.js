// Filter the cases by text, verdict and transport, and open the one that a link in the matrix names.
const search = document.getElementById("search");
const outcome = document.getElementById("outcome");
const transport = document.getElementById("transport");
const count = document.getElementById("count");
const cases = [...document.querySelectorAll("details[data-outcome]")];
const texts = new Map(cases.map((one) => [one, one.textContent.toLowerCase()]));

function matches(one) {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const { outcome: kind, verdict, transport: on } = one.dataset;
  return (
    [kind, verdict, ""].includes(outcome.value) &&
    ["", on].includes(transport.value) &&
    words.every((word) => texts.get(one).includes(word))
  );
}

function filter() {
  const shown = new Set();
  for (const one of cases) {
    one.hidden = !matches(one);
    if (!one.hidden) shown.add(one.id);
  }
  for (const link of document.querySelectorAll("td a")) {
    link.hidden = !shown.has(link.hash.slice(1));
  }
  for (const row of document.querySelectorAll("tr[data-row]")) {
    row.hidden = !row.querySelector("a:not([hidden])");
  }
  for (const group of document.querySelectorAll("tbody")) {
    group.hidden = !group.querySelector("tr[data-row]:not([hidden])");
  }
  count.textContent = `${shown.size} of ${cases.length} cases`;
}

function open() {
  const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (one instanceof HTMLDetailsElement) {
    one.open = true;
    one.scrollIntoView();
  }
}

for (const control of [search, outcome, transport]) control.addEventListener("input", filter);
addEventListener("hashchange", open);
filter();
open();
