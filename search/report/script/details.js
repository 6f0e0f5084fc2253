// What a row of the table of trials shows when it is opened.

function detailRow(trial, columns) {
  const score = trial.score === null ? "" : `: ${percent(trial.score)} % at rung ${trial.rung}`;
  const title = `Trial ${trial.n}, ${trial.family}, ${trial.state}${score}`;
  const detail = element("div", { class: "detail", role: "region", "aria-label": `Details of trial ${trial.n}` });
  detail.append(element("h3", {}, title));
  if (trial.problem) detail.append(element("p", { class: "problem" }, trial.problem));
  detail.append(element("div", { class: "parts" }, searched(trial), languages(trial), lineage(trial)));
  detail.append(configuration(trial));
  const cell = element("td", { colspan: columns }, detail);
  return element("tr", { class: "opened" }, cell);
}

function part(title, content) {
  return element("div", {}, element("h4", {}, title), content);
}

function searched(trial) {
  const list = element("dl");
  for (const [name, value] of Object.entries(trial.searched))
    list.append(element("dt", {}, name), element("dd", {}, typeof value === "string" ? value : JSON.stringify(value)));
  list.append(element("dt", {}, "cost"), element("dd", {}, `${trial.seconds} s; ${trial.alone} s without shared stages`));
  return part("Searched parameters", list);
}

function languages(trial) {
  if (!trial.scores.length) return part("Scores by language", element("p", {}, "None yet."));
  const list = element("ul", { class: "scores" });
  const known = trial.scores.filter((score) => score !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  report.data.languages.forEach((code, place) => {
    const score = trial.scores[place];
    if (score === null) return;
    const bar = element("span", { class: "score-bar", "aria-hidden": "true" });
    bar.style.width = `${(0.5 + (high > low ? (5.5 * (score - low)) / (high - low) : 2.5)).toFixed(2)}rem`;
    list.append(element("li", {}, element("span", { class: "code" }, code), ` ${percent(score)} `, bar));
  });
  return part("Scores by language in %", list);
}

function lineage(trial) {
  if (!trial.stages.length) return part("Lineage", element("p", {}, "No stage yet."));
  const body = element("tbody");
  for (const place of trial.stages) {
    const [phase, key, steps, seconds, maker] = report.data.stages[place];
    const by = element("td");
    if (maker === trial.n) by.append("this trial");
    else if (maker === null) by.append("an earlier sweep");
    else by.append(element("button", { type: "button", "data-goes": maker }, `trial ${maker}`));
    const cells = [phase, key, String(steps), String(seconds)].map((words) => element("td", {}, words));
    body.append(element("tr", {}, ...cells, by));
  }
  const headings = ["phase", "stage", "steps", "seconds", "made by"].map((name) => element("th", { scope: "col" }, name));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...headings)), body);
  return part("Lineage", element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `Lineage of trial ${trial.n}` }, table));
}

function configuration(trial) {
  const id = `config-${trial.n}`;
  const words = { id, tabindex: "0", role: "region", "aria-label": `YAML of trial ${trial.n}` };
  return element(
    "details",
    { "data-key": id },
    element("summary", {}, "Configuration as YAML, for ", element("code", {}, "xstilts run")),
    element("button", { type: "button", "data-copies": id }, `Copy the YAML of trial ${trial.n}`),
    element("pre", words, yaml(nested(trial))),
  );
}

// The configuration of a trial, from the fields that all trials share and those that differ.
function nested(trial) {
  const index = report.data.trials.indexOf(trial);
  const root = {};
  for (const { path, values, of } of report.data.fields) {
    const place = of ? of[index] : 0;
    if (place < 0) continue;
    let section = root;
    for (const name of path.slice(0, -1)) section = section[name] ??= {};
    section[path.at(-1)] = values[place];
  }
  return root;
}

// JSON is YAML, so scalars and lists are written as JSON; a name with other characters is quoted.
function yaml(section, indent = "") {
  const lines = [];
  for (const [name, value] of Object.entries(section)) {
    const key = /^[A-Za-z_][\w@-]*$/.test(name) ? name : JSON.stringify(name);
    const isSection = value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length;
    lines.push(isSection ? `${indent}${key}:\n${yaml(value, `${indent}  `)}` : `${indent}${key}: ${scalar(value)}\n`);
  }
  return lines.join("");
}

// YAML 1.1 reads 1e-7 as text and 1.0e-7 as a number.
function scalar(value) {
  const words = JSON.stringify(value);
  return typeof value === "number" ? words.replace(/^(-?\d+)e/, "$1.0e") : words;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  const words = document.getElementById(button.dataset.copies);
  const range = document.createRange();
  range.selectNodeContents(words);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  if (navigator.clipboard) navigator.clipboard.writeText(words.textContent).catch(() => {});
  else document.execCommand("copy");
});
