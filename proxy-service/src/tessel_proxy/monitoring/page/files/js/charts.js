/** Charts of the last hour, drawn by uPlot, with the same values as text for screen readers. */

import { h, setText } from "./dom.js";
import { bytes, perSecond } from "./format.js";

const HEIGHT_PX = 200;
const DARK = matchMedia("(prefers-color-scheme: dark)");
const ROW_S = 300; // the table has a row for each five minutes
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const time = (at) => clock.format(at * 1000);
const DECIMALS = Array.from({ length: 8 }, (_, exponent) => [1, 2, 5].map((digit) => digit * 10 ** (exponent - 1))).flat();
const POWERS = Array.from({ length: 50 }, (_, exponent) => 2 ** exponent);

export const BYTES = { text: (value) => `${bytes(value).replace(/\.0+ /, " ")}/s`, incrs: POWERS, least: 1024 };
export const OPENS = { text: (value) => `${perSecond(value)}/s`, incrs: DECIMALS, least: 1 };

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  #plot = null;
  #data = [[]];
  #series;
  #unit;

  /** @param {{title: string, unit: Object, series: {label: string, color: string}[]}} options */
  constructor({ title, unit, series }) {
    [this.#series, this.#unit, this.title] = [series, unit, title];
    this.values = series.map(() => h("span.value", {}, "–"));
    const legend = series.map(({ label, color }, at) => h("span.key", {}, h(`span.swatch.${color}`, { "aria-hidden": "true" }), `${label} `, this.values[at]));
    this.canvas = h("div.chart", { role: "img", "aria-label": title });
    this.table = h("tbody");
    this.details = h("details", { on: { toggle: () => this.#showTable() } }, h("summary", {}, "Show as a table"), this.#emptyTable());
    this.element = h("figure", {}, h("figcaption", {}, h("h2", {}, title), h("div.legend", {}, ...legend)), this.canvas, this.details);
    this.resizing = new ResizeObserver(() => this.#resize());
    this.resizing.observe(this.canvas);
    DARK.addEventListener("change", this.#draw);
  }

  #emptyTable() {
    const titles = ["From", ...this.#series.map((s) => s.label)];
    const head = h("tr", {}, ...titles.map((title) => h("th.number", { scope: "col" }, title)));
    return h("table", { "aria-label": `${this.title}, means of five minutes` }, h("thead", {}, head), this.table);
  }

  stop() {
    DARK.removeEventListener("change", this.#draw);
    this.resizing.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  /** Show values at these times (seconds since 1970), one list for each series. */
  show(times, lists) {
    this.#data = [times, ...lists];
    if (this.#plot === null) this.#draw();
    else this.#plot.setData(this.#data);
    this.#showValues(null);
    this.canvas.setAttribute("aria-label", this.#summary());
    if (this.details.open) this.#showTable();
  }

  #resize() {
    const width = this.canvas.clientWidth;
    if (this.#plot === null) this.#draw();
    else if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT_PX });
  }

  #draw = () => {
    const width = this.canvas.clientWidth;
    if (width === 0) return; // not yet on the page
    this.#plot?.destroy();
    this.#plot = new window.uPlot(this.#options(width), this.#data, this.canvas);
  };

  #options(width) {
    const unit = this.#unit;
    const axis = { stroke: css("--muted"), grid: { stroke: css("--grid"), width: 1 }, ticks: { show: false }, font: `11px ${css("--font")}` };
    return {
      width, height: HEIGHT_PX, legend: { show: false },
      padding: [8, 18, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      scales: { y: { range: (_, __, max) => [0, Math.max(unit.least, max * 1.1)] } },
      axes: [
        { ...axis, size: 28, incrs: [60, 300, 600, 900, 1800], space: 56, values: (_, splits) => splits.map(time) },
        { ...axis, size: 76, incrs: unit.incrs, values: (_, splits) => splits.map((value) => unit.text(value)) },
      ],
      series: [{}, ...this.#series.map(({ label, color }) => ({ label, stroke: css(`--${color}`), width: 1.5, fill: css(`--${color}-fill`), points: { show: false } }))],
      hooks: { setCursor: [(plot) => this.#showValues(plot.cursor.idx)] },
    };
  }

  /** Write the values at the pointer, or the newest. */
  #showValues(index) {
    const at = index ?? this.#data[0].length - 1;
    if (at < 0) return;
    const when = index === null || index === undefined ? "" : ` at ${time(this.#data[0][at])}`;
    this.values.forEach((element, series) => setText(element, this.#unit.text(this.#data[series + 1][at] ?? 0) + when));
  }

  #summary() {
    const [times, ...lists] = this.#data;
    if (times.length === 0) return `${this.title}: no data yet.`;
    const parts = lists.map((list, at) => {
      const most = list.reduce((best, value, index) => (value > list[best] ? index : best), 0);
      return `${this.#series[at].label}: now ${this.#unit.text(list.at(-1))}, at most ${this.#unit.text(list[most])} at ${time(times[most])}`;
    });
    return `${this.title} over the last hour. ${parts.join(". ")}.`;
  }

  #showTable() {
    if (!this.details.open) return;
    const [times, ...lists] = this.#data;
    const starts = [...new Set(times.map((at) => Math.floor(at / ROW_S) * ROW_S))].reverse();
    this.table.replaceChildren(...starts.map((start) => {
      const within = times.flatMap((at, index) => (Math.floor(at / ROW_S) * ROW_S === start ? [index] : []));
      const mean = (list) => within.reduce((sum, index) => sum + list[index], 0) / within.length;
      return h("tr", {}, h("th.number", { scope: "row" }, time(start)), ...lists.map((list) => h("td.number", {}, this.#unit.text(mean(list)))));
    }));
  }
}
