// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace contrastive::detail {

/// Light and dark follow the reader's system; print is light, without what only a screen can do.
inline constexpr std::string_view report_css = R"css(
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--ink:#1c1e21;--soft:#63686f;--faint:#9aa0a6;--rule:#e4e4df;
--grid:#ecece8;--accent:#3b5bdb;--good:#2b8a3e;--bad:#c92a2a;--goodbg:#2b8a3e1c;--badbg:#c92a2a1a;
--line0:#3b5bdb;--line1:#e8590c;--line2:#2b8a3e;--line3:#ae3ec9;--line4:#0c8599;--line5:#a05a2c;--shadow:0 1px 2px #0000000d,0 4px 16px #00000008}
@media (prefers-color-scheme:dark){:root{--bg:#131417;--card:#1b1d21;--ink:#e9eaec;--soft:#a2a8b0;--faint:#71777f;
--rule:#2c2f35;--grid:#26292e;--accent:#7c96ff;--good:#69db7c;--bad:#ff8787;--goodbg:#69db7c1f;--badbg:#ff87871f;
--line0:#7c96ff;--line1:#ffa25c;--line2:#69db7c;--line3:#da8df5;--line4:#5fd3e6;--line5:#d9a066;--shadow:none}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
-webkit-print-color-adjust:exact;print-color-adjust:exact}
main{max-width:1120px;margin:0 auto;padding:40px 24px 56px}
h1{font-size:34px;line-height:1.15;letter-spacing:-.02em;margin:0;font-weight:680}
h2{font-size:20px;letter-spacing:-.01em;margin:48px 0 4px;font-weight:650}
p{margin:0}.sub{color:var(--soft);margin:0 0 16px;max-width:72ch}
.facts{display:flex;flex-wrap:wrap;gap:2px 18px;color:var(--soft);margin-top:10px}.facts b{color:var(--ink);font-weight:600}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;box-shadow:var(--shadow)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(158px,1fr));gap:12px;margin:26px 0 12px}
.tile{padding:14px 16px 12px}.tile small{display:block;color:var(--soft);font-size:13px}
.tile b{display:block;white-space:nowrap;font-size:26px;line-height:1.25;letter-spacing:-.02em;font-weight:650;font-variant-numeric:tabular-nums}
.tile em{font-style:normal;color:var(--soft);font-size:13px}.up{color:var(--good)!important}.down{color:var(--bad)!important}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.scores{table-layout:fixed}.scores th,.scores td{padding:11px 18px;text-align:left;border-top:1px solid var(--rule);vertical-align:middle}
.scores tr:first-child th{border-top:0;color:var(--soft);font-weight:500;font-size:13px;padding-bottom:8px}
.scores th:first-child{width:20%;font-weight:500;overflow-wrap:anywhere}figcaption{overflow-wrap:anywhere}.scores .best{font-weight:700}
.bar{height:6px;border-radius:3px;background:var(--grid);margin-top:5px;overflow:hidden}
.bar i{display:block;height:100%;border-radius:3px;background:var(--faint)}.mine .bar i{background:var(--accent)}.mine th{font-weight:700}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:14px}
figure{margin:0}.chart{background:var(--card);border:1px solid var(--rule);border-radius:12px;box-shadow:var(--shadow);padding:14px 16px 8px;position:relative;break-inside:avoid}
.chart figcaption{display:flex;justify-content:space-between;gap:12px;align-items:baseline}.chart b{font-weight:600}
.last{font-variant-numeric:tabular-nums;color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px;color:var(--soft);margin-top:2px}
.legend i{display:inline-block;width:14px;height:3px;border-radius:2px;vertical-align:middle;margin-right:6px}

svg{display:block;width:100%;height:auto}.chart svg{overflow:visible}
.grid{stroke:var(--grid)}.axis{stroke:var(--faint)}.tick{font-size:11.5px;fill:var(--soft);font-variant-numeric:tabular-nums}
.label{font-size:11.5px;fill:var(--soft)}
.line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.band{fill:var(--c);opacity:.16}.dot{fill:var(--c)}
.cross{stroke:var(--faint);stroke-dasharray:3 3}.mark{fill:var(--c);stroke:var(--card);stroke-width:2}
.note{position:absolute;right:18px;bottom:10px;color:var(--faint);font-size:12px}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--bg);font-size:13px;line-height:1.4;padding:6px 10px;border-radius:8px;
opacity:0;transition:opacity .1s;white-space:pre;font-variant-numeric:tabular-nums;left:0;top:0}
#tip .thumb{display:block;margin:2px 0 4px;border-radius:4px;image-rendering:pixelated;background-repeat:no-repeat}
img{display:block;border-radius:6px;image-rendering:auto;box-shadow:0 0 0 1px var(--rule)}img.px{image-rendering:pixelated}
.gallery{padding:16px 18px;display:flex;flex-wrap:wrap;gap:14px 36px}
.strip{display:grid;gap:6px;break-inside:avoid}.strip .pics{display:flex;gap:6px}.strip figure{text-align:center}
.strip img,.neighbours img{background:var(--grid)}
.cap{font-size:12px;color:var(--soft);line-height:1.3;margin-top:3px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.strip .cap:first-child{margin:0}.first{padding-right:8px;border-right:1px solid var(--rule);margin-right:2px}
.neighbours{padding:6px 18px;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--row,480px)),1fr));gap:0 36px}
.near{display:flex;gap:8px;padding:10px 0;border-bottom:1px solid var(--rule);align-items:flex-start;break-inside:avoid}
.near figure{position:relative}.near .q{padding-right:12px;margin-right:4px;border-right:1px solid var(--rule)}
.near .q .cap{color:var(--ink);font-weight:600;white-space:normal;line-height:1.2}
.hit img{outline:2px solid var(--good);outline-offset:1px}.hit.wrong img{outline-color:var(--bad);outline-style:dashed}.hit.plain img{outline:0}
.hit u{position:absolute;right:-4px;top:-5px;width:17px;height:17px;border-radius:50%;background:var(--good);color:var(--card);font-size:11px;line-height:17px;text-align:center;text-decoration:none;font-weight:700}
.hit.wrong u{background:var(--bad)}.hit.wrong .cap{color:var(--bad)}
.map{display:grid;grid-template-columns:minmax(0,1fr) auto;padding:12px}
.map svg{max-height:720px}.map path{fill:none;stroke-linecap:round;stroke-width:5.5;stroke-opacity:.78;transition:stroke-opacity .15s}
.map svg.many path{stroke-width:4}.map .off{stroke-opacity:.07}.map .ring{fill:none;stroke:var(--ink);stroke-width:2}
.classes{display:grid;grid-auto-flow:row;align-content:start;gap:1px;padding:8px 8px 8px 20px;font-size:14px;max-height:720px;overflow:auto}
.classes button{font:inherit;color:inherit;border:0;background:none;text-align:left;padding:3px 8px;border-radius:6px;cursor:pointer;white-space:nowrap}
.classes button:hover,.classes .on{background:var(--grid)}.classes i{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:9px}
.classes small{color:var(--faint);margin-left:8px;font-variant-numeric:tabular-nums}
details{padding:4px 18px}summary{cursor:pointer;padding:10px 0;font-weight:500}
dl{columns:2 380px;column-gap:40px;margin:0 0 14px;font-size:14px}dl div{display:flex;justify-content:space-between;gap:16px;padding:4px 0;border-bottom:1px solid var(--grid);break-inside:avoid}
dt{color:var(--soft)}dd{margin:0;text-align:right;font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:13px;overflow-wrap:anywhere}
footer{margin-top:48px;color:var(--faint);font-size:13px}
@media (max-width:760px){.map{grid-template-columns:1fr}.classes{display:flex;flex-wrap:wrap}h1{font-size:27px}.scores{table-layout:fixed}.scores th,.scores td{padding:9px 10px}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#111;--soft:#555;--faint:#888;--rule:#ddd;--grid:#eee;--accent:#3b5bdb;--good:#2b8a3e;--bad:#c92a2a;--shadow:none;
--line0:#3b5bdb;--line1:#e8590c;--line2:#2b8a3e;--line3:#ae3ec9;--line4:#0c8599;--line5:#a05a2c}
main{max-width:none;padding:0}h2{margin-top:28px;break-after:avoid}.sub{break-after:avoid}#tip{display:none}body{font-size:12px}.charts{grid-template-columns:1fr 1fr}
.map,.tiles,.scores{break-inside:avoid}.classes{max-height:none}}
)css";

/// Values under the pointer in charts, pictures under the pointer in the map, classes to pick out. The page is
/// complete without it.
inline constexpr std::string_view report_js = R"js(
const tip=document.getElementById('tip'),NS='http://www.w3.org/2000/svg';
function show(e){tip.style.opacity=1;const r=tip.getBoundingClientRect();
tip.style.left=Math.max(4,Math.min(innerWidth-r.width-8,e.clientX+14))+'px';
tip.style.top=Math.max(4,e.clientY-r.height-12)+'px'}
function hide(){tip.style.opacity=0}
function place(svg,e){return new DOMPoint(e.clientX,e.clientY).matrixTransform(svg.getScreenCTM().inverse())}
function add(svg,name,cls){const n=document.createElementNS(NS,name);n.setAttribute('class',cls);n.style.display='none';svg.append(n);return n}
document.querySelectorAll('.chart svg').forEach(svg=>{
const x0=+svg.dataset.x0,x1=+svg.dataset.x1,names=[...svg.parentNode.querySelectorAll('.legend span')].map(n=>n.textContent);
const lines=[...svg.querySelectorAll('polyline')].map(n=>({p:n.getAttribute('points').trim().split(' ').map(q=>q.split(',').map(Number)),v:n.dataset.v.split('|'),c:n.style.getPropertyValue('--c')}));
const cross=add(svg,'line','cross'),marks=lines.map(l=>{const m=add(svg,'circle','mark');m.setAttribute('r',4.5);m.style.setProperty('--c',l.c);return m});
svg.onpointermove=e=>{const at=place(svg,e).x;if(at<46||at>514)return svg.onpointerleave();
let text='';lines.forEach((l,k)=>{let b=0;l.p.forEach((q,i)=>{if(Math.abs(q[0]-at)<Math.abs(l.p[b][0]-at))b=i});
const q=l.p[b];marks[k].setAttribute('cx',q[0]);marks[k].setAttribute('cy',q[1]);marks[k].style.display='';
if(!k){cross.setAttribute('x1',q[0]);cross.setAttribute('x2',q[0]);cross.setAttribute('y1',14);cross.setAttribute('y2',206);cross.style.display='';
text=svg.dataset.x+' '+(x0+(q[0]-52)/456*(x1-x0)).toPrecision(4).replace(/\.?0+$/,'')}
text+='\n'+(lines.length>1?names[k]+'  ':'')+l.v[b]});tip.textContent=text;show(e)};
svg.onpointerleave=()=>{hide();cross.style.display='none';marks.forEach(m=>m.style.display='none')}});
const map=document.getElementById('map');
if(map){const data=JSON.parse(document.getElementById('map-data').textContent),ring=add(map,'circle','ring'),paths=[...map.querySelectorAll('path')],buttons=[...document.querySelectorAll('.classes button')];let only=-1;ring.setAttribute('r',6);
map.onpointermove=e=>{const at=place(map,e);let best=-1,near=196;for(let i=0;i<data.p.length;i+=3){if(only>=0&&data.p[i+2]!=only)continue;
const dx=data.p[i]-at.x,dy=data.p[i+1]-at.y,d=dx*dx+dy*dy;if(d<near){near=d;best=i}}
if(best<0)return map.onpointerleave();ring.setAttribute('cx',data.p[best]);ring.setAttribute('cy',data.p[best+1]);ring.style.display='';
const n=best/3;tip.textContent=data.names[data.p[best+2]]||('#'+n);
if(data.sheet){const t=document.createElement('span'),s=data.sheet,z=Math.max(1,Math.round(96/s.w));t.className='thumb sheet';t.style.cssText='width:'+s.w*z+'px;height:'+s.h*z+'px;background-size:'+s.width*z+'px auto;background-position:-'+n%s.columns*s.w*z+'px -'+Math.floor(n/s.columns)*s.h*z+'px';tip.prepend(t)}show(e)};
map.onpointerleave=()=>{hide();ring.style.display='none'};
buttons.forEach((b,k)=>b.onclick=()=>{only=only==k?-1:k;buttons.forEach((x,i)=>x.classList.toggle('on',i==only));
paths.forEach(p=>p.classList.toggle('off',only>=0&&p.dataset.k!=only))})}
addEventListener('beforeprint',()=>document.querySelectorAll('details').forEach(d=>d.open=true));
)js";

}  // namespace contrastive::detail
