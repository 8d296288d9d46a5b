"""Style of the page: the colours of the service's own pages, light and dark, screen and paper."""

from typing import Final

CSS: Final = """\
:root { color-scheme: light dark; --ink: #16222e; --soft: #5a6b7b; --paper: #f7f8fa; --card: #fff; --line: #dfe4ea;
  --good: #1d7a53; --warn: #97600a; --bad: #b3372f; --link: #1b5fa8; --curve: #34516e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4eaf0; --soft: #9badbd; --paper: #10171e; --card: #18222c;
  --line: #2b3947; --good: #5cc796; --warn: #e0ab52; --bad: #f0857c; --link: #7db5ee; --curve: #9fc0df; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.15rem; }
h3 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
p { margin: .25rem 0; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.error { color: var(--bad); } .warning { color: var(--warn); } .good { color: var(--good); }
.verdict { border: 1px solid var(--line); border-left: .4rem solid var(--good); background: var(--card);
  border-radius: .4rem; padding: .9rem 1.1rem; }
.verdict.halted { border-left-color: var(--bad); } .verdict.watch { border-left-color: var(--warn); }
.verdict strong { font-size: 1.2rem; }
.names { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0; padding: 0; list-style: none; }
.names + section { margin-top: 1rem; }
.names li { border: 1px solid var(--line); border-radius: .3rem; background: var(--card); padding: .05rem .5rem;
  font-size: .9rem; overflow-wrap: anywhere; }
.series { border: 1px solid var(--line); border-radius: .4rem; background: var(--card); padding: 1rem 1.1rem;
  margin: 0 0 1rem; }
.series > header { display: flex; flex-wrap: wrap; gap: .1rem .9rem; align-items: baseline; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: .8rem; }
th, td { padding: .4rem .7rem .4rem 0; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; }
td { overflow-wrap: anywhere; }
td.tight, th.tight { white-space: nowrap; overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.findings, .sums { table-layout: fixed; }
.findings th:first-child, .sums th:first-child { width: 5.2rem; }
.wide { width: 12rem; } .narrow { width: 5.5rem; } .stage { width: 5.2rem; }
.place { display: block; padding-left: 1rem; text-indent: -1rem; }
figure { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .5rem; margin: .75rem 0; }
figure svg { width: 100%; height: 7.5rem; display: block; border: 1px solid var(--line); border-radius: .2rem; }
.scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; }
.scale, figcaption { font-size: .78rem; color: var(--soft); font-variant-numeric: tabular-nums; }
figcaption { grid-column: 2; display: flex; justify-content: space-between; gap: .5rem; }
polyline { fill: none; stroke: var(--curve); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
rect.error { fill: var(--bad); fill-opacity: .75; } rect.warning { fill: var(--warn); fill-opacity: .5; }
.key::before { content: "\\25AE\\00A0"; }
details { margin: .3rem 0 0; } summary { cursor: pointer; color: var(--link); font-size: .88rem; width: max-content; }
.cells { overflow-x: auto; } .cells table { width: auto; font-size: .85rem; } .cells td { white-space: nowrap; }
.cells th, .cells td { padding: .15rem 1rem .15rem 0; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 40rem) {
  main { padding: 1rem .6rem 3rem; } .series { padding: .8rem; }
  .findings thead, .sums thead { position: absolute; clip-path: inset(50%); }
  .findings tr, .sums tr { display: block; border-top: 1px solid var(--line); padding: .5rem 0; }
  .findings > tbody > tr > td, .sums td { display: inline; border: 0; padding: 0; margin-right: .6rem; }
  .findings > tbody > tr > td.main, .sums td.main { display: block; margin: .15rem 0 0; }
  .findings > tbody > tr > td.number { display: none; }
}
@media print {
  :root { --ink: #000; --soft: #444; --paper: #fff; --card: #fff; --line: #bbb; --good: #1d7a53; --warn: #97600a;
    --bad: #b3372f; --link: #000; --curve: #333; }
  main { max-width: none; padding: 0; } body { font-size: 11pt; } a { text-decoration: none; }
  tr, figure, .verdict { break-inside: avoid; } h2, h3, .series > header { break-after: avoid; }
  rect, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details::details-content { content-visibility: visible; } summary { color: var(--soft); }
}
"""
"""Nothing is loaded: it works under ``default-src 'none'; style-src 'unsafe-inline'; img-src data:``."""
