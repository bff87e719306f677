"use strict";
// Filter and sort the table of all findings. Without this script the table is complete.
for (const table of document.querySelectorAll("table.filterable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const box = document.createElement("input");
  box.className = "filter";
  box.type = "search";
  box.placeholder = "Filter: FAIL, sex = Female, …";
  box.setAttribute("aria-label", "Filter the findings");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const said = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => said.includes(word));
    }
  });
  table.before(box);
  const value = (row, i) => {
    const said = row.cells[i].textContent.trim();
    const number = parseFloat(said.replace(/^[^\d−+.-]+/, "").replace("−", "-").replace(/,/g, ""));
    return Number.isNaN(number) ? said : number;
  };
  const before = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    head.tabIndex = 0;
    head.setAttribute("aria-sort", "none");
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => (down ? -1 : 1) * before(value(a, i), value(b, i)));
      body.append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        sort();
      }
    });
  });
}
