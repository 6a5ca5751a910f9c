/** Rows of a list: kept by their id, filtered by text, and sorted. No elements here. */

const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const ORDER_MS = 5_000; // rows of changing values move at most so often: moving rows cannot be clicked

/** Return a comparison by one key; numbers by size, text as people sort it, null last. */
export function compareBy(key, descending) {
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const [left, right] = [a[key], b[key]];
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (typeof left === "number" ? left - right : words.compare(left, right));
  };
}

export class Rows {
  #byId = new Map();
  #idOf;
  #searched;
  #filter = [];
  #view = null;
  #orderedAt = 0;

  /**
   * @param {function(Object): string} idOf
   * @param {string[]} searched  the keys whose text a filter looks through
   * @param {{key: string, descending: boolean}} sorting
   */
  constructor(idOf, searched, sorting) {
    this.#idOf = idOf;
    this.#searched = searched;
    this.sorting = sorting;
  }

  get size() {
    return this.#byId.size;
  }

  get = (id) => this.#byId.get(id);

  /** Replace all rows. */
  reset(rows) {
    this.#byId = new Map(rows.map((row) => [this.#idOf(row), row]));
    this.#view = null;
  }

  /** Add or replace one row. */
  put(row) {
    this.#byId.set(this.#idOf(row), row);
    this.#view = null;
  }

  delete(id) {
    if (this.#byId.delete(id)) this.#view = null;
  }

  /** Show only rows that contain each word of this text. */
  filterBy(text) {
    this.#filter = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#view = null;
  }

  /** Sort by a key; by the same key again: the other way round. */
  sortBy(key) {
    const again = this.sorting.key === key;
    this.sorting = { key, descending: again ? !this.sorting.descending : this.#startsWithMost(key) };
    this.#view = null;
  }

  #startsWithMost(key) {
    const [first] = this.#byId.values();
    return typeof first?.[key] === "number";
  }

  /** Return the rows that pass the filter, in order. `held`: keep the order of changed values. */
  view(nowMs, held) {
    const due = !held && nowMs - this.#orderedAt >= ORDER_MS;
    if (this.#view === null || due) {
      this.#view = [...this.#byId.values()].filter((row) => this.#passes(row));
      this.#view.sort(compareBy(this.sorting.key, this.sorting.descending));
      this.#orderedAt = nowMs;
    }
    return this.#view;
  }

  #passes(row) {
    if (this.#filter.length === 0) return true;
    const text = this.#searched.map((key) => row[key] ?? "").join("\n").toLowerCase();
    return this.#filter.every((word) => text.includes(word));
  }
}
