// Asks the same REST routes as any client. Which version answered is known because it is asked for by its number.
"use strict";

const REFRESH_MS = 2000;
const NEWEST = "newest";
const at = (id) => document.getElementById(id);
let models = [];

const available = (model) => model.versions.filter((version) => version.state === "AVAILABLE");
const chosen = () => models.find((model) => model.name === at("model").value);

function headers() {
  const key = at("key").value;
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function getJson(path, options = {}) {
  const reply = await fetch(path, { ...options, headers: headers() }).catch(() => {
    throw new Error("The server does not answer. Is it still running?");
  });
  const text = await reply.text();
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    body = { error: text.slice(0, 300) || reply.statusText };
  }
  if (reply.status === 401 || reply.status === 403) {
    at("access").hidden = false;
  }
  if (!reply.ok) {
    const error = new Error(body.error ?? `The server answered with status ${reply.status}.`);
    throw Object.assign(error, { status: reply.status });
  }
  return body;
}

function element(tag, content, className = "") {
  const made = document.createElement(tag);
  made.textContent = content;
  made.className = className;
  return made;
}

// Keeps what is selected as long as it is there.
function fill(select, options) {
  const values = options.map(([value]) => value).join("\n");
  if (select.dataset.values === values) {
    return;
  }
  const before = select.value;
  select.replaceChildren(...options.map(([value, name]) => new Option(name, value)));
  select.dataset.values = values;
  if (options.some(([value]) => value === before)) {
    select.value = before;
  }
}

function showChoice() {
  const model = chosen();
  const labels = model ? Object.keys(model.labels) : [];
  const versions = model ? available(model).map(({ version }) => [`versions/${version}`, version]) : [];
  fill(at("version"), [[NEWEST, "newest"], ...labels.map((label) => [`labels/${label}`, label]), ...versions]);
  at("pair").hidden = !model?.inputs.includes("text_pair");
}

function showModels() {
  fill(at("model"), models.map(({ name }) => [name, name]));
  showChoice();
  const rows = models.flatMap((model) =>
    model.versions.map(({ version, state, error }) => {
      const labels = Object.keys(model.labels).filter((label) => model.labels[label] === version);
      const row = document.createElement("tr");
      const said = error ? `${state}: ${error}` : state;
      row.append(
        element("td", model.name),
        element("td", version),
        element("td", labels.join(", ")),
        element("td", said, error ? "failed" : ""),
      );
      return row;
    }),
  );
  at("models").replaceChildren(...rows);
}

async function list() {
  ({ models } = await getJson("/models.json"));
  showModels();
}

async function refresh() {
  try {
    await list();
    if (at("error").dataset.of === "models") {
      showError("", "");
    }
  } catch (error) {
    showError(`The models cannot be listed: ${error.message}`, "models");
  }
  setTimeout(refresh, REFRESH_MS);
}

function showError(message, of) {
  at("error").textContent = message;
  at("error").dataset.of = of;
  at("error").hidden = !message;
}

// The number of the version that the choice means now, as text: JavaScript's numbers end before those of versions.
function meant(model, choice) {
  if (choice === NEWEST) {
    const later = (a, b) => (BigInt(a) > BigInt(b) ? a : b);
    return available(model).map(({ version }) => version).reduce(later, "") || undefined;
  }
  const [kind, name] = choice.split("/");
  return kind === "labels" ? model.labels[name] : name;
}

async function predict(name, choice, instance) {
  const model = models.find((one) => one.name === name);
  const version = model && meant(model, choice);
  if (version === undefined) {
    throw new Error(`No version of ${name} is up.`);
  }
  const path = `/v1/models/${encodeURIComponent(name)}/versions/${version}:predict`;
  const body = JSON.stringify({ instances: [instance] });
  const began = performance.now();
  const { predictions } = await getJson(path, { method: "POST", body });
  return { prediction: predictions[0], version, milliseconds: performance.now() - began };
}

// The list is up to two seconds old: a version that has gone since is looked for once more.
async function predictNow(name, choice, instance) {
  try {
    return await predict(name, choice, instance);
  } catch (error) {
    if (error.status !== 404 || choice.startsWith("versions/")) {
      throw error;
    }
    await list();
    return await predict(name, choice, instance);
  }
}

function showAnswer(model, version, prediction, milliseconds) {
  const items = prediction.labels.map((label, position) => {
    const score = prediction.label_scores[position];
    const item = document.createElement("li");
    const bar = element("span", "", "bar");
    bar.style.width = `${100 * score}%`;
    item.append(element("span", label, "name"), bar, element("span", `${(100 * score).toFixed(1)} %`, "score"));
    return item;
  });
  at("labels").replaceChildren(...items);
  at("said").textContent = `${model.name}, version ${version}, in ${milliseconds.toFixed(0)} ms`;
  at("answer").hidden = false;
}

async function ask(event) {
  event.preventDefault();
  const button = at("ask").querySelector("button");
  button.disabled = true;
  showError("", "");
  try {
    if (!models.length) {
      await list(); // and not what it said before a key was typed
    }
    const model = chosen();
    if (!model) {
      throw new Error("No model is there yet.");
    }
    const instance = { text: at("text").value };
    if (model.inputs.includes("text_pair")) {
      instance.text_pair = at("text_pair").value;
    }
    const { prediction, version, milliseconds } = await predictNow(model.name, at("version").value, instance);
    if (!prediction.labels) {
      throw new Error(`${model.name} is no text classifier of textclf: its answer has no labels.`);
    }
    showAnswer(model, version, prediction, milliseconds);
  } catch (error) {
    at("answer").hidden = true;
    showError(error.message, "answer");
  } finally {
    button.disabled = false;
  }
}

at("ask").addEventListener("submit", ask);
at("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    at("ask").requestSubmit();
  }
});
at("model").addEventListener("change", showChoice);
refresh();
