// Only in a page that `xstilts report --watch` serves: asks the server, shows running trials, and replaces the
// sections that have changed. Filters, opened trials, opened parts and the focus stay as they are.

const served = new Map(); // section -> its HTML as the server sent it
const losses = new Map(); // trial and phase -> [step, loss] of each answer
let seenVersion = document.documentElement.dataset.version;

const sectionsOf = (page) => [...page.querySelectorAll("[data-section]")];

async function ask(place) {
  const answer = await fetch(place).catch(() => null);
  return answer && answer.ok ? answer : null;
}

async function look() {
  const answer = await ask("running");
  document.getElementById("connection").textContent = answer ? "" : "The server does not answer; the page shows what it was last sent.";
  if (!answer) return;
  const { version, trials } = await answer.json();
  drawRunning(trials);
  if (version !== seenVersion) await update(version);
}

async function update(version) {
  const answer = await ask("./");
  if (!answer) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = focusKey();
  const wanted = sectionsOf(page).map((section) => section.dataset.section);
  sectionsOf(document).filter((section) => !wanted.includes(section.dataset.section)).forEach((section) => section.remove());
  sectionsOf(page).forEach((section, place) => replaceSection(section, place ? wanted[place - 1] : null));
  if (document.getElementById("trial-controls")?.hidden) report.start(); // a new table
  report.startPlots();
  if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  seenVersion = version;
}

function replaceSection(section, previous) {
  const name = section.dataset.section;
  const html = section.outerHTML;
  if (served.get(name) === html) return;
  served.set(name, html);
  const old = document.querySelector(`[data-section="${name}"]`);
  const opened = old ? [...old.querySelectorAll("details[open] > summary")].map((one) => one.textContent) : [];
  for (const summary of section.querySelectorAll("details > summary"))
    if (opened.includes(summary.textContent)) summary.parentElement.open = true;
  const made = document.importNode(section, true);
  if (old) old.replaceWith(made);
  else document.querySelector(`[data-section="${previous}"]`).after(made);
}

// A selector of the focused element that holds after the replacement.
function focusKey() {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return null;
  if (focused.id) return `#${CSS.escape(focused.id)}`;
  for (const name of ["opens", "sorts", "goes", "copies"])
    if (focused.dataset[name] !== undefined) return `[data-${name}="${CSS.escape(focused.dataset[name])}"]`;
  const section = focused.closest("[data-section]");
  return section && focused.matches("figure .wide") ? `[data-section="${section.dataset.section}"] figure .wide` : null;
}

function drawRunning(trials) {
  const body = document.querySelector("#running-table tbody");
  body.replaceChildren(
    ...trials.map((trial) => {
      const { phase, step, num_steps, loss, seconds_left } = trial.progress ?? {};
      const cells = [String(trial.trial), trial.family, phase ?? "starting", phase ? `${step}/${num_steps}` : "", loss?.toFixed(3) ?? ""];
      const left = seconds_left === null || seconds_left === undefined ? "" : `${Math.round(seconds_left)} s`;
      const row = element("tr", {}, ...[...cells, left].map((words) => element("td", {}, words)));
      row.append(element("td", {}, lossCurve(trial)));
      return row;
    }),
  );
  document.getElementById("none-running").hidden = trials.length > 0;
  document.querySelector("#running-table").hidden = trials.length === 0;
}

function lossCurve({ trial, progress }) {
  if (!progress || progress.loss === null) return "";
  const key = `${trial} ${progress.phase}`;
  const points = losses.get(key) ?? [];
  if (!points.length || points.at(-1)[0] !== progress.step) points.push([progress.step, progress.loss]);
  losses.set(key, points);
  const highest = Math.max(...points.map((point) => point[1])) || 1;
  const words = `Losses of trial ${trial} since the page was opened: ${points.map((point) => point[1].toFixed(3)).slice(-5).join(", ")}`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 120 24", class: "curve", role: "img", "aria-label": words })) svg.setAttribute(name, value);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  const places = points.map(([step, loss]) => `${((118 * step) / progress.num_steps + 1).toFixed(1)},${(22 - (20 * loss) / highest).toFixed(1)}`);
  line.setAttribute("class", "best");
  line.setAttribute("points", places.join(" "));
  svg.append(line);
  return svg;
}

look();
setInterval(look, 2000);
