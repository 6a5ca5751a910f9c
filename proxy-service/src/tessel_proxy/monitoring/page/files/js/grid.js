/**
 * A grid of any number of rows, of which only those in view are elements.
 *
 * Keyboard: the grid is one tab stop, and its active row is named by aria-activedescendant, because
 * the focus could not stay on a row whose element is used for another row. Pattern:
 * https://www.w3.org/WAI/ARIA/apg/patterns/grid/
 */

import { h, setAttribute, setText } from "./dom.js";

const OVERSCAN = 8; // rows outside of the view, so that fast scrolling shows no gaps
const NARROW = matchMedia("(max-width: 719px)");
let grids = 0; // for ids

/**
 * A column.
 * @typedef {{key: string, label: string, class?: string, sortable?: boolean,
 *   text: function(Object): string, title?: function(Object): ?string}} Column
 */
export class Grid {
  #columns;
  #rows = [];
  #pool = [];
  #active = null; // the id of the active row
  #id = `grid-${(grids += 1)}`;
  #drawing = false;

  /**
   * @param {{label: string, columns: Column[], rowId: function(Object): string,
   *   wideRow: number, narrowRow: number, open: function(Object), sort: function(string),
   *   rowClass?: function(Object): string}} options  heights are in px
   */
  constructor(options) {
    this.options = options;
    this.#columns = options.columns;
    this.header = h("div.grid-row.grid-header", { role: "row", "aria-rowindex": 1 }, ...this.#columns.map((c) => this.#heading(c)));
    this.space = h("div.grid-space", { role: "rowgroup" });
    this.head = h("div.grid-head", { role: "rowgroup" }, this.header);
    this.empty = h("div.grid-empty", { hidden: true });
    this.element = h("div.grid", { role: "grid", tabindex: 0, "aria-label": options.label, "aria-colcount": this.#columns.length },
      this.head, this.space);
    this.frame = h("div.grid-frame", {}, this.element, this.empty);
    this.#listen();
  }

  #heading(column) {
    const press = { click: () => this.options.sort(column.key) };
    const content = column.sortable === false ? column.label : h("button.sort", { type: "button", on: press }, column.label);
    return h(`div.grid-cell.${column.class ?? "text"}`, { role: "columnheader", "data-key": column.key }, content);
  }

  #listen() {
    this.element.addEventListener("scroll", () => this.#drawSoon(), { passive: true });
    this.space.addEventListener("click", (event) => this.#clicked(event));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#drawSoon()).observe(this.element);
  }

  get rowHeight() {
    return NARROW.matches ? this.options.narrowRow : this.options.wideRow;
  }

  /** The height in px that is left for rows: the header stays above them. */
  get #room() {
    return this.element.clientHeight - this.head.offsetHeight;
  }

  /** Show these rows; `sorting` is {key, descending}. */
  show(rows, sorting) {
    this.#rows = rows;
    setAttribute(this.element, "aria-rowcount", String(rows.length + 1));
    for (const heading of this.header.children) {
      const own = heading.dataset.key === sorting.key;
      setAttribute(heading, "aria-sort", own ? (sorting.descending ? "descending" : "ascending") : null);
    }
    this.#drawSoon();
  }

  /** Write the rows in view again, after their values changed. */
  refresh() {
    this.#drawSoon();
  }

  /** Mark a row as the one whose details are open; null for none. */
  select(id) {
    this.selected = id;
    if (id !== null) this.#active = id;
    this.#drawSoon();
  }

  focus() {
    this.element.focus();
  }

  #drawSoon() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const { rowHeight } = this;
    this.space.style.height = `${this.#rows.length * rowHeight}px`;
    const top = this.element.scrollTop;
    const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
    const last = Math.min(this.#rows.length, Math.ceil((top + this.#room) / rowHeight) + OVERSCAN);
    this.#makeElements(last - first);
    this.#pool.forEach((element, at) => this.#fill(element, first + at, first + at < last));
    this.#pointOutActive(first, last);
  }

  #makeElements(count) {
    while (this.#pool.length < count) {
      const cells = this.#columns.map((c) => h(`div.grid-cell.${c.class ?? "text"}`, { role: "gridcell", "data-label": c.label }, h("bdi")));
      const row = h("div.grid-row", { role: "row", id: `${this.#id}-${this.#pool.length}` }, ...cells);
      this.#pool.push(row);
      this.space.append(row);
    }
  }

  #fill(element, index, used) {
    element.hidden = !used;
    if (!used) return;
    const row = this.#rows[index];
    const id = this.options.rowId(row);
    element.dataset.index = index;
    element.style.transform = `translateY(${index * this.rowHeight}px)`;
    element.className = `grid-row ${this.options.rowClass?.(row) ?? ""}`;
    setAttribute(element, "aria-rowindex", String(index + 2)); // the header is row 1
    setAttribute(element, "aria-selected", String(id === this.selected));
    this.#columns.forEach((column, at) => {
      const cell = element.children[at];
      setText(cell.firstChild, column.text(row));
      setAttribute(cell, "title", column.title?.(row) ?? null);
    });
  }

  #pointOutActive(first, last) {
    const at = this.#activeIndex();
    const element = at >= first && at < last ? this.#pool[at - first] : null;
    for (const row of this.#pool) row.classList.toggle("active", row === element);
    setAttribute(this.element, "aria-activedescendant", element?.id ?? null);
  }

  #activeIndex() {
    return this.#rows.findIndex((row) => this.options.rowId(row) === this.#active);
  }

  #clicked(event) {
    const element = event.target.closest(".grid-row");
    if (element === null || String(getSelection())) return; // text was selected, to be copied
    this.#open(Number(element.dataset.index));
  }

  #open(index) {
    const row = this.#rows[index];
    if (row === undefined) return;
    this.#active = this.options.rowId(row);
    this.options.open(row);
    this.#drawSoon();
  }

  #key(event) {
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const [at, last] = [this.#activeIndex(), this.#rows.length - 1];
    const page = Math.max(1, Math.floor(this.#room / this.rowHeight) - 1);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last };
    if (event.key in moves) this.#activate(Math.min(last, Math.max(0, moves[event.key])));
    else if (event.key === "Enter" || event.key === " ") this.#open(at);
    else return;
    event.preventDefault();
  }

  #activate(index) {
    if (this.#rows.length === 0) return;
    this.#active = this.options.rowId(this.#rows[index]);
    const [top, bottom] = [index * this.rowHeight, (index + 1) * this.rowHeight];
    const { element } = this;
    if (top < element.scrollTop) element.scrollTop = top;
    if (bottom > element.scrollTop + this.#room) element.scrollTop = bottom - this.#room;
    this.#drawSoon();
  }
}
