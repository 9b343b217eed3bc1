
"use strict";
// Search and sort of tables marked data-tools; without a script they are plain tables.
(() => {
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
  };

  // Numbers before text and empty cells last, in either direction.
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * collator.compare(a, b);
  };

  for (const box of document.querySelectorAll("[data-tools]")) {
    const noun = box.dataset.tools;
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...body.rows].map((row) => ({ row, text: plain(row.textContent) }));
    const search = box.querySelector("input");
    const status = box.querySelector("[role=status]");

    const report = (shown) => {
      const many = rows.length === 1 ? noun : `${noun}s`;
      status.textContent =
        shown === rows.length ? `${shown} ${many}` : `${shown} of ${rows.length} ${many}`;
    };

    const filter = () => {
      const words = plain(search.value).split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { row, text } of rows) {
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      report(shown);
    };

    const sort = (column) => {
      const head = heads[column];
      const was = head.getAttribute("aria-sort");
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const now = was === first ? other : first;
      for (const one of heads) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", now);
      const sign = now === "ascending" ? 1 : -1;
      const keyed = [...body.rows].map((row) => [valueOf(row, column), row]);
      keyed.sort((a, b) => compare(a[0], b[0], sign));
      body.append(...keyed.map(([, row]) => row));
    };

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(column));
      head.replaceChildren(button);
    });
    search.addEventListener("input", filter);
    box.querySelector(".tools").hidden = false;
    report(rows.length);
  }

  // Print collapsed sections in full.
  let collapsed = [];
  window.addEventListener("beforeprint", () => {
    collapsed = [...document.querySelectorAll("details:not([open])")];
    for (const one of collapsed) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of collapsed) one.open = false;
  });
})();
