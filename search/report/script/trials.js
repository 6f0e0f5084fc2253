// The table of trials: sorting, filtering, pages, and a trial shown in place below its row.
// Without this script the table has all rows, in the order of their numbers.

const report = { rowsPerPage: 100 };
const percent = (score) => (score === null || score === undefined ? "–" : (100 * score).toFixed(2));

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

report.state = { column: 0, descending: false, family: "", state: "", task: "", page: 0, open: new Set() };

report.start = () => {
  const script = document.getElementById("trial-data");
  if (!script) return;
  report.data = JSON.parse(script.textContent);
  report.byNumber = new Map(report.data.trials.map((trial) => [trial.n, trial]));
  const table = document.getElementById("trial-table");
  report.body = table.tBodies[0];
  report.rows = new Map();
  for (const row of report.body.rows) {
    const number = Number(row.id.slice("trial-".length));
    const button = element("button", { type: "button", "aria-expanded": "false", "data-opens": number }, String(number));
    row.cells[0].replaceChildren(button);
    report.rows.set(number, row);
  }
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = element("button", { type: "button", "data-sorts": column }, cell.textContent);
    cell.replaceChildren(button);
  });
  startFilters();
  document.getElementById("trial-controls").hidden = false;
  report.draw();
};

function startFilters() {
  const options = {
    family: report.data.trials.map((trial) => trial.family),
    state: report.data.trials.map((trial) => trial.state),
    task: report.data.trials.flatMap((trial) => trial.tasks),
  };
  for (const [name, values] of Object.entries(options)) {
    const select = document.getElementById(`filter-${name}`);
    for (const value of [...new Set(values)].sort()) select.append(element("option", { value }, value));
    if (![...select.options].some((option) => option.value === report.state[name])) report.state[name] = "";
    select.value = report.state[name];
  }
}

const sortKeys = [
  (trial) => trial.n,
  (trial) => trial.family,
  (trial) => trial.score,
  (trial) => trial.scores[report.data.languages.indexOf("en")],
  (trial) => trial.rung,
  (trial) => trial.state,
  (trial) => trial.tasks.join(", "),
  (trial) => trial.seconds,
];
const fromTheHighest = [2, 3, 4, 7];

// Trials without a value are last in both directions; equal ones stay in the order of their numbers.
function compareBy(column, descending) {
  const key = sortKeys[column];
  return (one, two) => {
    const [a, b] = [key(one), key(two)];
    const [noA, noB] = [a === null || a === undefined || a === "", b === null || b === undefined || b === ""];
    if (noA || noB) return noA - noB || one.n - two.n;
    const order = a < b ? -1 : a > b ? 1 : 0;
    return (descending ? -order : order) || one.n - two.n;
  };
}

report.chosen = () => {
  const { column, descending, family, state, task } = report.state;
  const found = report.data.trials.filter(
    (trial) =>
      (!family || trial.family === family) && (!state || trial.state === state) && (!task || trial.tasks.includes(task)),
  );
  return found.sort(compareBy(column, descending));
};

report.draw = () => {
  const { state } = report;
  const chosen = report.chosen();
  const pages = Math.max(1, Math.ceil(chosen.length / report.rowsPerPage));
  state.page = Math.min(state.page, pages - 1);
  const first = state.page * report.rowsPerPage;
  const shown = chosen.slice(first, first + report.rowsPerPage);
  const rows = [];
  for (const trial of shown) {
    const row = report.rows.get(trial.n);
    const isOpen = state.open.has(trial.n);
    row.cells[0].firstChild.setAttribute("aria-expanded", String(isOpen));
    rows.push(row);
    if (isOpen) rows.push(detailRow(trial, row.cells.length));
  }
  report.body.replaceChildren(...rows);
  const range = chosen.length ? `${first + 1} to ${first + shown.length} of ` : "";
  const all = chosen.length === report.data.trials.length ? "" : `, ${report.data.trials.length} in all`;
  document.getElementById("trial-count").textContent = `Trials ${range}${chosen.length}${all}`;
  document.getElementById("earlier-rows").disabled = state.page === 0;
  document.getElementById("later-rows").disabled = state.page >= pages - 1;
  document.querySelectorAll("#trial-table thead th").forEach((cell, column) => {
    if (column === state.column) cell.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
};

// Opens a trial in the table, wherever it is, and moves the focus to it.
report.open = (number) => {
  const trial = report.byNumber && report.byNumber.get(number);
  if (!trial) return;
  if (!report.chosen().includes(trial)) report.filter({});
  report.state.open.add(number);
  report.state.page = Math.floor(report.chosen().indexOf(trial) / report.rowsPerPage);
  report.draw();
  const button = report.rows.get(number).cells[0].firstChild;
  button.focus({ preventScroll: true });
  report.rows.get(number).scrollIntoView({ block: "start" });
};

report.filter = (wanted) => {
  for (const name of ["family", "state", "task"]) {
    report.state[name] = wanted[name] || "";
    document.getElementById(`filter-${name}`).value = report.state[name];
  }
  report.state.page = 0;
  report.draw();
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button, a[href^='#trial-']");
  if (!button || !report.data) return;
  if (button.dataset.sorts !== undefined) {
    const column = Number(button.dataset.sorts);
    const again = report.state.column === column;
    report.state.descending = again ? !report.state.descending : fromTheHighest.includes(column);
    Object.assign(report.state, { column, page: 0 });
    report.draw();
  } else if (button.dataset.opens !== undefined) {
    const number = Number(button.dataset.opens);
    if (!report.state.open.delete(number)) report.state.open.add(number);
    report.draw();
    button.focus();
  } else if (button.dataset.goes !== undefined) {
    report.open(Number(button.dataset.goes));
  } else if (button.matches("a") && report.byNumber.has(Number(button.hash.slice("#trial-".length)))) {
    event.preventDefault();
    report.open(Number(button.hash.slice("#trial-".length)));
  } else if (button.id === "earlier-rows" || button.id === "later-rows") {
    report.state.page += button.id === "later-rows" ? 1 : -1;
    report.draw();
  } else if (button.id === "all-rows") {
    report.filter({});
  }
});

document.addEventListener("change", (event) => {
  if (!event.target.id.startsWith("filter-")) return;
  report.state[event.target.id.slice("filter-".length)] = event.target.value;
  report.state.page = 0;
  report.draw();
});
