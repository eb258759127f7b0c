// The clients that are connected, each with the ways in which its connection can end.

import { byId, h, keyedList, setText, show } from "./dom.js";

const WAYS = {
  close: "Close",
  reset: "Reset",
  close_frame: "Close frame",
  blackhole: "Black hole",
};
const MEANING = {
  close: "end the stream (FIN)",
  reset: "abort it (RST)",
  close_frame: "send a close frame, then end the stream",
  blackhole: "send nothing more on it",
};

export function createConnections({ send, path }) {
  const list = keyedList(
    byId("connections"),
    ({ number }) => number,
    (connection) => create(connection, (how) => send("DELETE", `${path("connections", connection.number)}?how=${how}`)),
  );
  byId("end-all").addEventListener("click", () => send("DELETE", path("connections")));

  function render({ connections }) {
    list(connections);
    setText(byId("connection-count"), connections.length || "");
    show(byId("no-connections"), connections.length === 0);
    show(byId("end-all"), connections.length > 1);
  }

  return { render };
}

function create({ number, transport, peer }, end) {
  const ways = Object.keys(WAYS).filter((how) => transport === "ws" || how !== "close_frame");
  const state = h("span", { class: "quiet" });
  const buttons = ways.map((how) =>
    h(
      "button",
      {
        class: "small",
        title: MEANING[how],
        "aria-label": `${WAYS[how]}: connection ${number}`,
        onclick: () => end(how),
      },
      WAYS[how],
    ),
  );
  const element = h(
    "li",
    {},
    h("div", { class: "row spread" }, h("span", {}, h("b", {}, `${transport} #${number}`), ` ${peer}`), state),
    h("div", { class: "row" }, buttons),
  );
  return { element, update: (connection) => setText(state, connection.state.replace("_", " ")) };
}
