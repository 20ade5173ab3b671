// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace app {

/// The page of `image_search serve`, without anything from elsewhere.
inline constexpr std::string_view search_page = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>image search</title>
<style>
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--ink:#1c1e21;--soft:#5b6068;--rule:#e0e0da;--hole:#ecece8;
--accent:#3451c6;--on:#fff;--good:#2b7a3a;--fair:#8a5a00;--poor:#6a6f76;--shadow:0 1px 2px #0000000d,0 6px 20px #0000000a}
@media (prefers-color-scheme:dark){:root{--bg:#131417;--card:#1c1e22;--ink:#eceded;--soft:#a6acb4;--rule:#2d3036;
--hole:#25282d;--accent:#8aa0ff;--on:#10121a;--good:#7bdc8b;--fair:#f0b95a;--poor:#9aa0a8;--shadow:none}}
*{box-sizing:border-box}html{scroll-behavior:smooth}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
header{position:sticky;top:0;z-index:2;background:color-mix(in srgb,var(--bg) 88%,transparent);backdrop-filter:blur(12px);
border-bottom:1px solid var(--rule);padding:14px 24px 10px}
.in{max-width:1280px;margin:0 auto}
form{display:flex;gap:8px;max-width:760px}
input[type=search]{flex:1;min-width:0;font:inherit;font-size:17px;color:inherit;background:var(--card);border:1px solid var(--rule);
border-radius:12px;padding:11px 16px;box-shadow:var(--shadow)}
button{font:inherit;cursor:pointer;border:1px solid var(--rule);background:var(--card);color:var(--ink);border-radius:9px;padding:6px 11px}
button:hover{border-color:var(--accent)}
form button{background:var(--accent);color:var(--on);border-color:transparent;border-radius:12px;font-weight:600;padding:0 22px}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
input[type=search]:focus-visible{outline:2px solid var(--accent);outline-offset:-1px}
#chips{display:flex;flex-wrap:wrap;gap:8px;margin-top:10px;padding:0;list-style:none}#chips:empty{display:none}
#chips button{display:flex;align-items:center;gap:8px;padding:3px 10px 3px 3px;border-radius:99px;font-size:13px}
#chips img{width:28px;height:28px;border-radius:50%;object-fit:cover;background:var(--hole)}
#chips .un{border-style:dashed}
#status{color:var(--soft);font-size:14px;margin:8px 0 0;min-height:1.5em}
main{max-width:1328px;margin:0 auto;padding:20px 24px 72px}
#note{margin:0 0 20px;padding:14px 18px;border-radius:12px;border:1px solid var(--rule);background:var(--card);max-width:760px}#note[hidden]{display:none}
#grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,210px),1fr));gap:18px;margin:0;padding:0;list-style:none}
.card{background:var(--card);border:1px solid var(--rule);border-radius:14px;overflow:hidden;box-shadow:var(--shadow);display:flex;flex-direction:column}
.open{position:relative;width:100%;padding:0;border:0;border-radius:0;background:var(--hole);aspect-ratio:1}
.open img{position:absolute;inset:0;width:100%;height:100%;object-fit:cover}
.open em{position:absolute;right:8px;bottom:8px;font-style:normal;font-size:12px;padding:1px 8px;border-radius:99px;background:#000a;color:#fff}
.open img.small{object-fit:contain;image-rendering:pixelated}
.open:focus-visible{outline-offset:-4px}
.text{padding:10px 12px 12px;display:flex;flex-direction:column;gap:4px;flex:1}
.score{font-size:13px;font-weight:600;display:flex;justify-content:space-between;gap:8px}
.score span{font-weight:400;color:var(--soft);white-space:nowrap;font-variant-numeric:tabular-nums}
.clear{color:var(--good)}.likely{color:var(--fair)}.may{color:var(--poor)}
.name{font-size:13px;color:var(--soft);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.acts{display:flex;gap:6px;margin-top:auto;padding-top:6px}.acts button{flex:1;font-size:13px;padding:5px 4px;white-space:nowrap}
#more{height:1px}
dialog{border:0;border-radius:16px;padding:0;background:var(--card);color:var(--ink);max-width:min(96vw,1400px);max-height:96vh;box-shadow:0 20px 80px #0008}
dialog::backdrop{background:#000b}
dialog .big{display:block;width:100%;max-height:78vh;min-height:min(50vh,360px);object-fit:contain;background:var(--hole)}
dialog .foot{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;padding:12px 16px}
dialog .foot p{margin:0;flex:1 1 240px;overflow-wrap:anywhere}
#same{display:flex;gap:8px;flex-wrap:wrap;padding:0 16px 14px;margin:0;list-style:none}#same:empty{display:none}#same img{height:64px;border-radius:8px}
@media (prefers-reduced-motion:reduce){*{transition:none!important;scroll-behavior:auto!important}}
</style></head><body>
<header><div class="in">
<form role="search" id="form"><label for="q" hidden>Describe what you look for</label>
<input type="search" id="q" name="q" placeholder="Describe what you look for: a dog on the beach" aria-label="Describe what you look for" autocomplete="off" maxlength="1000" autofocus>
<button>Search</button></form>
<ul id="chips" aria-label="Images that count in this search"></ul>
<p id="status" role="status" aria-live="polite"></p></div></header>
<main><p id="note" hidden></p><ul id="grid" aria-label="Results" aria-busy="false"></ul><div id="more" aria-hidden="true"></div></main>
<dialog id="view" aria-labelledby="viewname"><img class="big" id="big" alt="">
<div class="foot"><p id="viewname"></p><button id="vlike">More like this</button><button id="vunlike">Less like this</button><button id="close">Close</button></div>
<ul id="same" aria-label="Images that look the same"></ul></dialog>
<script>
"use strict";
const $=id=>document.getElementById(id),page=40;
let state={q:"",like:[],unlike:[]},from=0,total=0,busy=false,round=0,names=new Map(),shown=null;
const read=()=>{const p=new URLSearchParams(location.hash.slice(1)),l=k=>(p.get(k)||"").split(",").filter(x=>/^\d+$/.test(x)).map(Number);
 state={q:p.get("q")||"",like:l("like"),unlike:l("unlike")}};
const write=()=>{const p=new URLSearchParams();if(state.q)p.set("q",state.q);for(const k of["like","unlike"])if(state[k].length)p.set(k,state[k].join(","));
 if("#"+p===location.hash||(!location.hash&&!String(p)))start();else location.hash=p};
const make=(tag,props,...inner)=>{const e=Object.assign(document.createElement(tag),props);e.append(...inner);return e};
const mark=(kind,i)=>{for(const k of["like","unlike"])state[k]=state[k].filter(x=>x!==i);state[kind]=[...state[kind],i].slice(-12);if($("view").open)$("view").close();write()};
function chips(){$("chips").replaceChildren(...["like","unlike"].flatMap(k=>state[k].map(i=>{
 const what=(k==="like"?"like ":"unlike ")+(names.get(i)||"image "+i);
 const b=make("button",{type:"button",className:k==="like"?"":"un",title:what+": take it away"},make("img",{src:"thumb/"+i,alt:""}),(k==="like"?"+ like this":"− unlike this")+"  ×");
 b.setAttribute("aria-label",what+": take it away");b.onclick=()=>{state[k]=state[k].filter(x=>x!==i);write();$("q").focus()};return make("li",{},b)})))}
function fit(img){img.onload=()=>img.classList.toggle("small",img.naturalWidth<160&&img.naturalHeight<160);img.onerror=()=>{img.alt="cannot be shown";img.style.opacity=.3}}
function card(h){names.set(h.i,h.name);
 const img=make("img",{loading:"lazy",decoding:"async",alt:h.name,src:"thumb/"+h.i});fit(img);
 const open=make("button",{type:"button",className:"open"},img);open.setAttribute("aria-label","Open "+h.name+(h.words?", "+h.words+", "+h.top:""));open.onclick=()=>view(h);
 if(h.same&&h.same.length)open.append(make("em",{textContent:"+"+h.same.length+" the same"}));
 const text=make("div",{className:"text"});
 if(h.words)text.append(make("div",{className:"score"},make("b",{className:h.words.split(" ")[0],textContent:h.words}),make("span",{textContent:h.top,title:"so many unrelated pairs of words and images score as high"})));
 text.append(make("div",{className:"name",title:h.name},make("bdi",{textContent:h.name.slice(h.name.lastIndexOf("/")+1)})));
 const acts=[["like","More like this"],["unlike","Less like this"]].map(([k,t])=>{const b=make("button",{type:"button",textContent:t,className:k});b.setAttribute("aria-label",t+": "+h.name);b.onclick=()=>mark(k,h.i);return b});
 text.append(make("div",{className:"acts"},...acts));
 return make("li",{className:"card"},open,text)}
function view(h){shown=h;$("big").src="image/"+h.i;$("big").alt=h.name;$("viewname").textContent=h.name+(h.words?" · "+h.words+", "+h.top:"");
 $("same").replaceChildren(...(h.same||[]).slice(0,12).map(s=>make("li",{},make("img",{src:"thumb/"+s.i,alt:s.name,title:s.name}))));$("view").showModal()}
$("vlike").onclick=()=>mark("like",shown.i);$("vunlike").onclick=()=>mark("unlike",shown.i);$("close").onclick=()=>$("view").close();
$("view").onclick=e=>{if(e.target===$("view"))$("view").close()};
async function load(){if(busy)return;busy=true;const mine=round;$("grid").setAttribute("aria-busy","true");
 const p=new URLSearchParams({q:state.q,like:state.like.join(","),unlike:state.unlike.join(","),from,count:page});
 try{const r=await fetch("search?"+p),a=await r.json();if(mine!==round)return;if(!r.ok)throw new Error(a.error);
  total=a.total;from+=a.hits.length;$("grid").append(...a.hits.map(card));
  const asked=state.q||state.like.length||state.unlike.length,n=x=>x.toLocaleString("en");
  $("status").textContent=asked?`${n(from)} of ${n(a.searched)} images, best first`:`${n(a.searched)} images, newest first`;
  $("note").hidden=!asked||a.matches;$("note").textContent="Nothing here looks like that. These are the nearest.";
 }catch(e){if(mine===round){$("status").textContent="";$("note").hidden=false;$("note").textContent=String(e.message||e).replace(/^\[\w+\] /,"");total=0}}
 finally{if(mine===round){busy=false;$("grid").setAttribute("aria-busy","false");if(from<total&&$("more").getBoundingClientRect().top<innerHeight+600)load()}}}
function start(){read();round++;busy=false;from=total=0;$("q").value=state.q;$("grid").replaceChildren();$("note").hidden=true;$("status").textContent="searching…";
 document.title=state.q?state.q+" – image search":"image search";chips();scrollTo(0,0);load()}
$("form").onsubmit=e=>{e.preventDefault();state.q=$("q").value.trim();write()};
addEventListener("hashchange",start);
new IntersectionObserver(e=>{if(e[0].isIntersecting&&from<total)load()},{rootMargin:"800px"}).observe($("more"));
addEventListener("keydown",e=>{if(e.key==="/"&&document.activeElement!==$("q")&&!$("view").open){e.preventDefault();$("q").focus();$("q").select()}});
start();
</script></body></html>
)html";

}  // namespace app
