"use strict";

// Tables: a heading sorts by its column, at first upwards, then downwards.
for (const button of document.querySelectorAll(".sortable th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const place = heading.cellIndex;
    const body = heading.closest("table").tBodies[0];
    const upwards = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", upwards ? "ascending" : "descending");
    const key = (row) => {
      const cell = row.cells[place];
      const value = cell.dataset.value;
      return value === undefined ? cell.textContent : value === "" ? -Infinity : Number(value);
    };
    const compare = (one, other) =>
      typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true });
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)) * (upwards ? 1 : -1));
    body.append(...rows);
  });
}

// Masks: the one that is chosen is shown.
for (const choice of document.querySelectorAll(".choice")) {
  const show = () => {
    for (const option of choice.options)
      document.getElementById(option.value).hidden = option.value !== choice.value;
  };
  choice.addEventListener("change", show);
  show(); // what a browser remembers of the page
}

// On paper everything is open.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
