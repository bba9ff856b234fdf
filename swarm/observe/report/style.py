"""The look of a page: one style sheet for day, night and paper, with fonts that every machine has.

Platform colours keep their distance from one another under every common kind of colour blindness (the palette of
Okabe and Ito, 2008); modes and refusals say their name beside their colour.
"""

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f9; --rule: #dfe3e8; --ink: #17202b; --soft: #566172; --accent: #0b5a9e;
  --grid: #e6e9ee; --good: #00664b; --warn: #8a5300; --bad: #b0321c; --best: #3b4654;
  --band-warn: #f6d9a0; --band-bad: #f1b3a4; --rival: #8b6a1f; --rival2: #8a4b76;
  --k0: #0072b2; --k1: #e69f00; --k2: #009e73; --k3: #cc79a7; --k4: #56b4e9; --k5: #d55e00; --k6: #6b7684;
  --k7: #b8a910; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #10151b; --card: #181f27; --rule: #2b3540; --ink: #e8ecf1; --soft: #a0adbb; --accent: #6db6f2;
  --grid: #26303a; --good: #4fd1a5; --warn: #f0b64f; --bad: #ff8f78; --best: #cdd5de;
  --band-warn: #4d3a12; --band-bad: #5a231a; --rival: #d8b25c; --rival2: #dba0c5;
  --k0: #3b9fdc; --k1: #f0b338; --k2: #2fc397; --k3: #e39cc6; --k4: #8fd0f7; --k5: #f08544; --k6: #98a4b3;
  --k7: #d9cb4a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
main, header, footer { max-width: 1160px; margin: 0 auto; padding: 0 clamp(16px, 4vw, 40px); }
header { padding-top: clamp(28px, 6vw, 64px); }
h1 { font-size: clamp(1.7rem, 5vw, 2.5rem); line-height: 1.15; letter-spacing: -0.022em; margin: 0 0 10px;
  font-weight: 680; }
h2 { font-size: clamp(1.25rem, 3.4vw, 1.55rem); line-height: 1.3; letter-spacing: -0.012em; margin: 0 0 6px;
  font-weight: 640; max-width: 46ch; text-wrap: balance; }
h3 { color: var(--ink); font-size: 0.98rem; line-height: 1.35; margin: 0 0 2px; font-weight: 620; }
p { margin: 0 0 10px; max-width: 74ch; }
.soft, .note, figcaption, dt { color: var(--soft); }
.note, figcaption, .facts { font-size: 0.875rem; }
.over { font-size: 0.78rem; letter-spacing: 0.07em; text-transform: uppercase; color: var(--soft); margin: 0 0 6px;
  font-weight: 600; }
section { border-top: 1px solid var(--rule); margin-top: clamp(36px, 6vw, 64px); padding-top: clamp(24px, 4vw, 40px); }
.facts { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); margin: 0; padding: 0; list-style: none; }
.pill { display: inline-block; border: 1.5px solid currentColor; border-radius: 99px; padding: 0 10px;
  font-size: 0.8rem; font-weight: 640; letter-spacing: 0.02em; line-height: 1.6; white-space: nowrap; }
.stable { color: var(--good); } .cautious { color: var(--warn); } .freeze, .refused { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(210px, 100%), 1fr)); gap: 14px;
  margin: 28px 0 0; }
.figures > div { background: var(--card); border-radius: 14px; padding: 18px 20px 16px; margin: 0; }
.figures dt { font-size: 0.875rem; } .figures dd { margin: 0; }
.figures .big { font-size: clamp(1.7rem, 4vw, 2.15rem); font-weight: 660; letter-spacing: -0.02em; line-height: 1.25; }
.figures .small { font-size: 0.875rem; color: var(--soft); line-height: 1.4; }
nav { margin-top: 22px; font-size: 0.9rem; display: flex; flex-wrap: wrap; gap: 4px 18px; }
a { color: var(--accent); text-underline-offset: 3px; text-decoration-thickness: 1px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(310px, 100%), 1fr)); gap: 30px 26px;
  margin-top: 24px; }
figure { margin: 0; min-width: 0; } figcaption { margin-bottom: 8px; line-height: 1.4; }
.hero { margin-top: 22px; } .hero .narrow { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 0.875rem; color: var(--soft); margin: 12px 0 0;
  padding: 0; list-style: none; }
.legend + div:not(.grid) { margin-top: 26px; }
.legend svg { width: 22px; height: 12px; display: inline-block; vertical-align: -1px; margin-right: 7px; }
svg.chart { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 11.5px; fill: var(--soft); } svg .end { text-anchor: end; }
svg .middle-at { text-anchor: middle; }
svg .name { font-size: 12px; font-weight: 600; stroke: none; }
svg .grid { stroke: var(--grid); stroke-width: 1; } svg .bar { fill: var(--k0); }
svg .plan { stroke: var(--ink); stroke-width: 2; } svg .cap { stroke: var(--bad); stroke-width: 1.5;
  stroke-dasharray: 5 4; }
svg .k0 { fill: var(--k0); } svg .k1 { fill: var(--k1); } svg .k2 { fill: var(--k2); } svg .k3 { fill: var(--k3); }
svg .k4 { fill: var(--k4); } svg .k5 { fill: var(--k5); } svg .k6 { fill: var(--k6); } svg .k7 { fill: var(--k7); }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg .line.swarm { stroke: var(--accent); stroke-width: 3; } svg .name.swarm { fill: var(--accent); }
svg .line.best { stroke: var(--best); stroke-dasharray: 1.5 5; stroke-width: 2.4; }
svg .name.best { fill: var(--best); }
svg .line.rival0 { stroke: var(--rival); stroke-dasharray: 9 5; } svg .name.rival0 { fill: var(--rival); }
svg .line.rival1 { stroke: var(--rival2); stroke-dasharray: 9 4 2 4; } svg .name.rival1 { fill: var(--rival2); }
svg .line.rival2 { stroke: var(--soft); stroke-dasharray: 4 4; }
svg .line.rival3 { stroke: var(--soft); stroke-dasharray: 1 3; }
svg .line.coherence { stroke: var(--accent); stroke-width: 1.6; }
svg .band { stroke: none; } svg .band.stable { fill: none; } svg .band.cautious { fill: var(--band-warn); }
svg .band.freeze { fill: var(--band-bad); }
svg .threshold { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 4; }
svg .middle { stroke: var(--rule); stroke-width: 1.5; } svg .whisker { stroke: var(--soft); stroke-width: 1.5; }
svg .expected { fill: var(--paper); stroke: var(--ink); stroke-width: 1.8; } svg .got { fill: var(--k0); }
.scroll { overflow-x: auto; margin-top: 16px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; line-height: 1.4; overflow-wrap: normal; }
th, td { text-align: left; padding: 8px 18px 8px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: 0.8rem; vertical-align: bottom; }
td.n, th.n { text-align: right; white-space: nowrap; } td:last-child, th:last-child { padding-right: 0; }
td.dots { width: 250px; min-width: 176px; padding-top: 6px; padding-bottom: 0; } th svg { margin-bottom: -6px; }
td.headline { min-width: 260px; }
th.group { color: var(--ink); font-size: 0.95rem; padding-top: 22px; } td.split { min-width: 150px; padding-top: 12px; }
td.name { min-width: 130px; } td.when { white-space: nowrap; } td.why { min-width: 240px; }
details { border-bottom: 1px solid var(--rule); } summary { cursor: pointer; padding: 12px 0; }
summary b { font-weight: 620; } summary span { color: var(--soft); font-size: 0.875rem; margin-left: 8px; }
summary:focus-visible, a:focus-visible, .scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
details .scroll { margin: 0 0 18px; }
.says { background: var(--card); border-radius: 12px; padding: 14px 18px; margin-top: 18px; max-width: none; }
footer { margin-top: 72px; padding-bottom: 56px; color: var(--soft); font-size: 0.875rem; }
@media (max-width: 640px) { .hero .wide { display: none; } .hero .narrow { display: block; }
  .figures { grid-template-columns: 1fr 1fr; gap: 10px; } .figures > div { padding: 14px 14px 12px; } }
@media print { body { font-size: 10.5pt; } nav { display: none; } section { break-inside: auto; }
  figure, tr, .figures > div { break-inside: avoid; } .scroll { overflow: visible; } main, header, footer {
  max-width: none; padding: 0; } }
"""
