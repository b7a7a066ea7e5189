"use strict";
// Text of a catalogue is only ever set as textContent: no title can become markup.
const views = document.body.dataset.views.split(" ").filter(Boolean);
const byId = (id) => document.getElementById(id);
const state = { user: null, history: [], asked: 0 };

const NAMES = {
  global: ["Global", "by the shared model"],
  personalised: ["Personalised", "by the model of the user's own device"],
  semantic: ["Semantic only", "by the texts of the newest items, untrained"],
  popularity: ["Popularity", "by training events, the same for everybody"],
};

function made(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("fedrec demo does not answer any more; start it again");
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function combobox(input, list, find, choose) {
  let options = [], active = -1, turn = 0, timer = 0;
  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (place) => {
    active = place;
    [...list.children].forEach((node, at) => node.setAttribute("aria-selected", at === place));
    if (place < 0) return;
    input.setAttribute("aria-activedescendant", list.children[place].id);
    list.children[place].scrollIntoView({ block: "nearest" });
  };
  const take = (option) => {
    close();
    choose(option);
  };
  const search = async () => {
    const mine = ++turn;
    let found;
    try {
      found = await find(input.value);
    } catch (problem) {
      say(problem.message, true);
      return;
    }
    if (mine !== turn || document.activeElement !== input) return;
    options = found;
    list.replaceChildren(...found.map((option, place) => {
      const node = made("li", "", option.label);
      node.id = `${list.id}-${place}`;
      node.setAttribute("role", "option");
      node.setAttribute("aria-selected", "false");
      node.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(option);
      });
      return node;
    }));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    active = -1;
    if (found.length) mark(0);
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 90);
  });
  input.addEventListener("focus", search);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      take(options[active]);
    }
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options.length) {
      event.preventDefault();
      if (list.hidden) { search(); return; }
      const step = event.key === "ArrowDown" ? 1 : options.length - 1;
      mark((active + step) % options.length);
    }
  });
}

function say(text, isProblem) {
  const status = byId("status");
  status.textContent = text;
  status.className = isProblem ? "problem" : "muted";
}

function bar(shares, isLarge) {
  const node = made("div", isLarge ? "bar large" : "bar");
  const names = Object.keys(shares);
  const told = names.map((name) => `${name} ${(100 * shares[name]).toFixed(0)} %`).join(", ");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", told);
  node.title = told;
  for (const name of names) {
    const part = made("span", `v${Math.max(0, views.indexOf(name)) % 6}`);
    part.style.width = `${100 * shares[name]}%`;
    node.append(part);
  }
  return node;
}

function card(list, elsewhere) {
  const [title, how] = NAMES[list.name];
  const node = made("article", "list");
  node.append(made("h3", "", title), made("p", "muted", how));
  if (Object.keys(list.views).length > 1) node.append(bar(list.views, true));
  const items = made("ol");
  for (const one of list.items) {
    const row = made("div", "row");
    const isShared = elsewhere.get(one.item) > 1;
    row.append(made("span", isShared ? "shared" : "", one.title || one.item));
    row.append(made("span", "", one.score.toFixed(list.name === "popularity" ? 0 : 2)));
    const entry = made("li");
    entry.append(row);
    if (Object.keys(one.views).length > 1) entry.append(bar(one.views, false));
    items.append(entry);
  }
  node.append(items);
  return node;
}

async function showLists() {
  showHistory();
  const mine = ++state.asked;
  if (state.user === null && !state.history.length) {
    byId("lists").replaceChildren();
    byId("missing").replaceChildren();
    say("Pick a user, or add an item to a history.");
    return;
  }
  say("Ranking …");
  const whom = state.user === null
    ? { history: state.history.map((one) => one.item) } : { user: state.user };
  let answer;
  try {
    answer = await ask("/api/lists", whom);
  } catch (problem) {
    if (mine === state.asked) {
      byId("lists").replaceChildren();
      byId("missing").replaceChildren();
      say(problem.message, true);
    }
    return;
  }
  if (mine !== state.asked) return;
  if (state.user !== null) showHistory(answer.history);
  const counts = new Map();
  for (const list of answer.lists) {
    for (const one of list.items) counts.set(one.item, (counts.get(one.item) || 0) + 1);
  }
  const there = answer.lists.filter((list) => !list.reason);
  byId("lists").replaceChildren(...there.map((list) => card(list, counts)));
  const missing = answer.lists.filter((list) => list.reason);
  byId("missing").replaceChildren(...missing.map((list) => {
    const line = made("p", "muted");
    line.append(made("b", "", `${NAMES[list.name][0]}: `), made("span", "", list.reason));
    return line;
  }));
  const marked = [...counts.values()].some((count) => count > 1);
  say(marked ? "Titles in bold are in more than one list. Items of the history are left out."
    : "Items of the history are left out.");
}

function showHistory(ofUser) {
  const shown = byId("history");
  if (ofUser) {
    const recent = ofUser.slice(-8).reverse();
    const more = ofUser.length - recent.length;
    shown.replaceChildren(made("span", "muted", `${state.user} had, the newest first:`));
    for (const one of recent) shown.append(made("span", "chip", one.title || one.item));
    if (more > 0) shown.append(made("span", "muted", `and ${more} before`));
    return;
  }
  shown.replaceChildren();
  if (state.user !== null || !state.history.length) return;
  shown.append(made("span", "muted", "In this order, the newest last:"));
  state.history.forEach((one, place) => {
    const chip = made("span", "chip", one.title || one.item);
    const remove = made("button", "", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${one.title || one.item}`);
    remove.addEventListener("click", () => {
      state.history.splice(place, 1);
      showLists();
      byId("item").focus();
    });
    chip.append(remove);
    shown.append(chip);
  });
}

function showLegend() {
  if (views.length < 2) return;
  byId("legend").append(made("span", "muted", "Share of each view:"));
  views.forEach((name, place) => {
    const entry = made("span");
    entry.append(made("i", `v${place % 6}`), made("span", "", name));
    byId("legend").append(entry);
  });
}

async function placeNew(event) {
  event.preventDefault();
  const placed = byId("placed");
  placed.replaceChildren(made("p", "muted", "Reading its text …"));
  const genres = byId("genres");
  const item = { title: byId("title").value, description: byId("description").value };
  if (genres) item.genres = genres.value.split(",").map((one) => one.trim()).filter(Boolean);
  if (state.user !== null) item.user = state.user;
  else if (state.history.length) item.history = state.history.map((one) => one.item);
  try {
    const found = await ask("/api/new-item", item);
    placed.replaceChildren(...newItemCards(found));
  } catch (problem) {
    placed.replaceChildren(made("p", "problem", problem.message));
  }
}

function newItemCards(found) {
  const grid = made("div", "lists two");
  if (found.asked) {
    const node = made("article", "list");
    const share = (100 * found.get_it / found.asked).toFixed(0);
    node.append(made("h3", "", found.get_it ? `In the top 10 of ${found.get_it} of ${found.asked} users`
      : `In the top 10 of none of ${found.asked} users`));
    const whom = found.asked < found.all ? `an even sample of ${found.all.toLocaleString("en")}` : "all users";
    node.append(made("p", "muted", `${share} % of ${whom}` + (found.users.length ? "; who has it highest:" : "; nobody has it in the first 100.")));
    const list = made("ol");
    for (const one of found.users) {
      const entry = made("li"), row = made("div", "row");
      row.append(made("span", "", one.user), made("span", "", `place ${one.rank}`));
      entry.append(row);
      list.append(entry);
    }
    if (found.users.length) node.append(list);
    grid.append(node);
  }
  const near = made("article", "list");
  near.append(made("h3", "", "Nearest to it"));
  near.append(made("p", "muted", found.rank === undefined ? "by the cosine of the embeddings"
    : `rank ${found.rank.toLocaleString("en")} of ${found.of.toLocaleString("en")} for the history above`));
  const list = made("ol");
  for (const one of found.nearest) {
    const entry = made("li"), row = made("div", "row");
    row.append(made("span", "", one.title || one.item), made("span", "", one.score.toFixed(2)));
    entry.append(row);
    if (Object.keys(one.views).length > 1) entry.append(bar(one.views, false));
    list.append(entry);
  }
  near.append(list);
  grid.append(near);
  return [grid];
}

const size = (bytes) => bytes < 1e4 ? `${bytes} B` : bytes < 1e7 ? `${(bytes / 1e3).toFixed(0)} kB`
  : `${(bytes / 1e6).toFixed(1)} MB`;

function arrays(rows) {
  const table = made("table"), body = made("tbody");
  for (const one of rows) {
    const row = made("tr");
    row.append(made("td", "", one.name), made("td", "", one.shape.join(" × ") || "1"), made("td", "", size(one.bytes)));
    body.append(row);
  }
  table.append(body);
  return table;
}

function folded(label, rows) {
  const node = made("details");
  const total = rows.reduce((sum, one) => sum + one.bytes, 0);
  node.append(made("summary", "", `${label}: ${rows.length} arrays, ${size(total)}`));
  node.append(arrays(rows));
  return node;
}

async function showTraffic() {
  const found = await ask("/api/traffic");
  const left = made("article", "list"), stayed = made("article", "list"), run = found.run;
  left.append(made("h3", "", "Left"));
  stayed.append(made("h3", "", "Stayed"));
  if (run) {
    left.append(made("p", "", `In ${run.rounds} rounds, ${size(run.bytes_up)} went up from the clients and ${size(run.bytes_down)} came down to them` +
      (run.client_megabytes ? `: ${run.client_megabytes.toFixed(1)} MB a client, both ways.` : ".")));
    if (run.upload !== "float32") left.append(made("p", "", `Updates travelled as ${run.upload}.`));
    for (const line of run.told) left.append(made("p", "muted", line));
    if (run.events) stayed.append(made("p", "", `${run.events.toLocaleString("en")} interactions of ${run.users.toLocaleString("en")} users. What was told of them stands under Left.`));
  } else {
    left.append(made("p", "muted", "An exported model does not know what its run has sent; these arrays would travel."));
  }
  left.append(folded("In every update", found.left));
  if (found.private.length) stayed.append(folded("Private parameters", found.private));
  stayed.append(folded("Made on each device from texts and counts", found.frozen));
  byId("traffic").replaceChildren(left, stayed);
}

const users = byId("user");
if (users) {
  combobox(users, byId("user-options"),
    async (text) => (await ask(`/api/users?q=${encodeURIComponent(text.slice(0, 200))}`)).users
      .map((user) => ({ label: user, user })),
    (option) => {
      users.value = option.user;
      state.user = option.user;
      state.history = [];
      showLists();
    });
}
combobox(byId("item"), byId("item-options"),
  async (text) => text.trim() ? (await ask(`/api/items?q=${encodeURIComponent(text.slice(0, 200))}`)).items
    .map((one) => ({ ...one, label: one.title })) : [],
  (option) => {
    byId("item").value = "";
    if (users) users.value = "";
    state.user = null;
    if (state.history.length < 200) state.history.push(option);
    showLists();
  });
byId("new").addEventListener("submit", placeNew);
showLegend();
showTraffic().catch((problem) => byId("traffic").replaceChildren(made("p", "problem", problem.message)));

// A first list at once: the address may name a user (#user=ID), else the first one.
(async () => {
  const named = decodeURIComponent(location.hash.match(/^#user=(.*)$/)?.[1] ?? "");
  if (users) {
    state.user = named || (await ask("/api/users")).users[0] || null;
    users.value = state.user ?? "";
  }
  await showLists();
})().catch((problem) => say(problem.message, true));
