// Plots that answer: a point, line or bar says what it is when it is pointed at, focused or tapped.
// A plot is one stop of the Tab key; arrow keys go from mark to mark, Enter opens the trial in the table.

const marksOf = new WeakMap();
const active = { plot: null, place: -1, pinned: false };
const tip = element("div", { id: "tip", hidden: "" });
const announcement = element("div", { class: "heard", "aria-live": "polite" });
document.querySelector("main").append(tip, announcement);

// The marks of a plot with their places, in units of its viewBox; read from the SVG when they are first needed.
function marks(plot) {
  if (marksOf.has(plot)) return marksOf.get(plot);
  const found = [];
  plot.querySelectorAll("[data-trials]").forEach((path) => {
    const places = [...path.getAttribute("d").matchAll(/M([\d.-]+) ([\d.-]+)/g)];
    path.dataset.trials.split(" ").forEach((trial, index) => {
      found.push({ shape: "point", at: places[index].slice(1).map(Number), trial: Number(trial) });
    });
  });
  plot.querySelectorAll("polyline[data-trial]").forEach((line) => {
    const at = line.getAttribute("points").split(" ").map((point) => point.split(",").map(Number));
    found.push({ shape: "line", at, trial: Number(line.dataset.trial), line });
  });
  plot.querySelectorAll("rect.area").forEach((area) => {
    const at = ["x", "y", "width", "height"].map((name) => Number(area.getAttribute(name)));
    const title = area.querySelector("title");
    found.push({ shape: "area", at, text: title.textContent, only: area.dataset.only });
    title.remove(); // the browser's own tooltip would cover ours
  });
  if (found.length && found[0].shape === "point") found.sort((one, two) => one.at[0] - two.at[0] || one.trial - two.trial);
  if (found.length && found[0].shape === "line") found.reverse(); // the best trial was drawn last
  marksOf.set(plot, found);
  return found;
}

function wordsOf(mark) {
  if (mark.trial === undefined) return mark.text;
  const trial = report.byNumber.get(mark.trial);
  const tasks = trial.tasks.length ? `, ${trial.tasks.join(" + ")}` : "";
  const score = trial.score === null ? "" : `: ${percent(trial.score)} %`;
  return `Trial ${trial.n}${score}; ${trial.family}${tasks}; ${trial.seconds} s`;
}

function actionOf(mark) {
  if (mark.trial !== undefined) return { words: `Open trial ${mark.trial}`, run: () => report.open(mark.trial) };
  if (!mark.only || !report.data) return null;
  const place = mark.only.indexOf("=");
  const [name, value] = [mark.only.slice(0, place), mark.only.slice(place + 1)];
  if (name === "trial") return { words: `Open trial ${value}`, run: () => report.open(Number(value)) };
  return { words: `List the trials of ${name} ${value}`, run: () => listTrials({ [name]: value }) };
}

function listTrials(wanted) {
  report.filter(wanted);
  const heading = document.getElementById("trials");
  heading.focus({ preventScroll: true });
  heading.scrollIntoView({ block: "start" });
}

function distance(mark, [x, y]) {
  if (mark.shape === "point") return Math.hypot(mark.at[0] - x, mark.at[1] - y);
  if (mark.shape === "area") {
    const [left, top, width, height] = mark.at;
    return x >= left && x <= left + width && y >= top && y <= top + height ? 0 : Infinity;
  }
  let nearest = Infinity;
  for (let place = 1; place < mark.at.length; place += 1) {
    const [[ax, ay], [bx, by]] = [mark.at[place - 1], mark.at[place]];
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const share = length ? Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
    nearest = Math.min(nearest, Math.hypot(ax + share * (bx - ax) - x, ay + share * (by - ay) - y));
  }
  return nearest;
}

const unitPixels = (plot) => plot.getBoundingClientRect().width / plot.viewBox.baseVal.width;

function nearestMark(plot, event) {
  const box = plot.getBoundingClientRect();
  const pixels = unitPixels(plot);
  const point = [(event.clientX - box.left) / pixels, (event.clientY - box.top) / pixels];
  let [nearest, best] = [-1, 24 / pixels]; // as far as a fingertip
  marks(plot).forEach((mark, place) => {
    const away = distance(mark, point);
    if (away < best) [nearest, best] = [place, away];
  });
  return nearest;
}

// Where the tip stands: the mark's place, in units.
function anchor(mark) {
  if (mark.shape === "point") return mark.at;
  if (mark.shape === "line") return mark.at[mark.at.length - 1];
  return [mark.at[0] + mark.at[2] / 2, mark.at[1] + mark.at[3] / 2];
}

function highlight(plot, mark) {
  document.querySelectorAll("svg .hot").forEach((old) => old.remove());
  if (!mark) return;
  const make = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const [x, y, width, height] = mark.at;
  if (mark.shape === "point") plot.append(make("circle", { class: "hot", cx: x, cy: y, r: 7 }));
  else if (mark.shape === "area") plot.append(make("rect", { class: "hot", x, y, width, height }));
  else plot.append(make("polyline", { class: "hot", points: mark.at.map((point) => point.join(",")).join(" ") }));
}

function show(plot, place, { pinned = false, announced = false } = {}) {
  Object.assign(active, { plot, place, pinned });
  const mark = marks(plot)[place];
  const action = actionOf(mark);
  tip.replaceChildren(wordsOf(mark));
  if (pinned && action) {
    const button = element("button", { type: "button" }, action.words);
    button.addEventListener("click", () => {
      hide();
      action.run();
    });
    tip.append(button);
  } else if (action) tip.append(element("span", { class: "soft" }, announced ? `Enter: ${action.words.toLowerCase()}` : "Click for more"));
  if (announced) announcement.textContent = tip.textContent;
  highlight(plot, mark);
  tip.hidden = false;
  const frame = plot.parentElement;
  const [x, y] = anchor(mark).map((value) => value * unitPixels(plot));
  if (announced) frame.scrollLeft = Math.min(Math.max(frame.scrollLeft, x - frame.clientWidth + 60), Math.max(0, x - 60));
  const box = plot.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + x - tip.offsetWidth / 2), document.documentElement.clientWidth - tip.offsetWidth - 8);
  const above = box.top + y - tip.offsetHeight - 14;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above < 4 ? box.top + y + 16 : above) + scrollY}px`;
}

function hide() {
  Object.assign(active, { plot: null, place: -1, pinned: false });
  tip.hidden = true;
  highlight(null, null);
}

const plotOf = (event) => (event.target.closest ? event.target.closest("figure svg[aria-label]") : null);

document.addEventListener("pointermove", (event) => {
  if (active.pinned || event.pointerType === "touch") return;
  const plot = plotOf(event);
  const place = plot ? nearestMark(plot, event) : -1;
  if (place >= 0) show(plot, place);
  else if (active.plot && !active.plot.parentElement.matches(":focus-visible") && !tip.contains(event.target)) hide();
});

document.addEventListener("click", (event) => {
  if (tip.contains(event.target)) return;
  const plot = plotOf(event);
  const place = plot ? nearestMark(plot, event) : -1;
  if (place >= 0) show(plot, place, { pinned: true });
  else hide();
});

document.addEventListener("focusin", (event) => {
  const plot = event.target.matches("figure .wide") ? event.target.querySelector("svg") : null;
  if (plot && event.target.matches(":focus-visible") && marks(plot).length) show(plot, 0, { announced: true });
  else if (!tip.contains(event.target) && !active.pinned) hide();
});

document.addEventListener("focusout", (event) => {
  if (!active.pinned && event.target.matches("figure .wide")) hide();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    hide();
    return;
  }
  const plot = event.target.matches("figure .wide") ? event.target.querySelector("svg") : null;
  const found = plot ? marks(plot) : [];
  if (!found.length) return;
  const here = active.plot === plot ? active.place : -1;
  const next = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: found.length - 1 }[event.key];
  if (next !== undefined) show(plot, Math.min(Math.max(next, 0), found.length - 1), { announced: true });
  else if (event.key === "Enter" && here >= 0 && actionOf(found[here])) {
    const action = actionOf(found[here]);
    hide();
    action.run();
  } else return;
  event.preventDefault();
});

// A plot with marks takes the arrow keys, so a screen reader must pass them on.
report.startPlots = () => {
  document.querySelectorAll("figure .wide").forEach((frame) => {
    if (!frame.querySelector("[data-trials], [data-trial], .area")) return;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-roledescription", "plot");
    frame.setAttribute("aria-describedby", "plot-keys");
  });
};
report.start();
report.startPlots();
if (location.hash.startsWith("#trial-")) report.open(Number(location.hash.slice("#trial-".length)));
