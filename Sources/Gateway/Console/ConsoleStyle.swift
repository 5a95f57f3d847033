// The console's style: variables and what all views share first, then each view's own. Two sets of colours, chosen by the system or by the button.

enum ConsoleStyle {
    static let base = #"""
        :root{--bg:#f6f7f8;--panel:#fff;--sunk:#f0f2f4;--line:#e1e5e9;--line-strong:#c9d0d7;--text:#15202b;--soft:#556270;--faint:#7c8894;--accent:#0f766e;--accent-soft:#d9efec;--accent-text:#0b5d56;--good:#15803d;--good-soft:#def3e4;--warn:#a35a00;--warn-soft:#fdeed5;--bad:#b42318;--bad-soft:#fde4e1;--info:#1d5fbf;--info-soft:#e0ebfb;--shadow:0 1px 2px rgba(16,32,48,.05),0 1px 6px rgba(16,32,48,.04);--s1:#0f766e;--s2:#b45309;--s3:#4f46e5;--s4:#be185d;--s5:#4d7c0f;--s6:#0369a1;--mono:ui-monospace,SFMono-Regular,"JetBrains Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","DejaVu Sans",sans-serif;color-scheme:light}
        @media (prefers-color-scheme:dark){:root:not([data-theme=light]){--bg:#0f1419;--panel:#171d24;--sunk:#11171d;--line:#262f39;--line-strong:#3a4653;--text:#e6ebf0;--soft:#a3afbb;--faint:#7f8b98;--accent:#2dbdae;--accent-soft:#12332f;--accent-text:#5ad1c3;--good:#4ac26b;--good-soft:#12301c;--warn:#e3a03c;--warn-soft:#35270f;--bad:#f2766b;--bad-soft:#3a1a18;--info:#6ea8fe;--info-soft:#15263f;--shadow:0 1px 2px rgba(0,0,0,.3);--s1:#2dbdae;--s2:#e3a03c;--s3:#8b8cf8;--s4:#f075ab;--s5:#a3cc4a;--s6:#58b4e8;color-scheme:dark}}
        :root[data-theme=dark]{--bg:#0f1419;--panel:#171d24;--sunk:#11171d;--line:#262f39;--line-strong:#3a4653;--text:#e6ebf0;--soft:#a3afbb;--faint:#7f8b98;--accent:#2dbdae;--accent-soft:#12332f;--accent-text:#5ad1c3;--good:#4ac26b;--good-soft:#12301c;--warn:#e3a03c;--warn-soft:#35270f;--bad:#f2766b;--bad-soft:#3a1a18;--info:#6ea8fe;--info-soft:#15263f;--shadow:0 1px 2px rgba(0,0,0,.3);--s1:#2dbdae;--s2:#e3a03c;--s3:#8b8cf8;--s4:#f075ab;--s5:#a3cc4a;--s6:#58b4e8;color-scheme:dark}
        *{box-sizing:border-box}
        html{font:14px/1.45 var(--sans);background:var(--bg);color:var(--text);-webkit-text-size-adjust:100%}
        body{margin:0;min-height:100vh}
        h1,h2,h3,p{margin:0}
        h1{font-size:22px;line-height:1.25;font-weight:650;letter-spacing:-.012em;overflow-wrap:anywhere}
        h2{font-size:15px;font-weight:620;letter-spacing:-.004em}
        a{color:var(--accent-text);text-decoration:none}
        a:hover{text-decoration:underline}
        :focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
        main:focus{outline:none}
        button,select,textarea,input{font:inherit;color:inherit}
        code,pre,.mono{font-family:var(--mono);font-size:12.5px}
        .num{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
        .soft{color:var(--soft)}.faint{color:var(--faint)}
        .skip{position:absolute;left:-999px;top:8px;background:var(--panel);padding:8px 12px;z-index:9}
        .skip:focus{left:8px}
        .bar{position:sticky;top:0;z-index:5;display:flex;align-items:center;gap:28px;height:52px;padding:0 24px;background:var(--panel);border-bottom:1px solid var(--line)}
        .brand{display:flex;align-items:center;gap:10px;font-weight:680;font-size:16px;letter-spacing:-.01em;color:var(--text)}
        .brand:hover{text-decoration:none}
        .brand-box{fill:var(--accent)}
        .brand-wave{fill:none;stroke:var(--panel);stroke-width:2.6;stroke-linecap:round}
        .bar nav{display:flex;gap:4px;height:100%}
        .bar nav a{display:flex;align-items:center;gap:6px;padding:0 12px;color:var(--soft);font-weight:520;border-bottom:2px solid transparent;border-top:2px solid transparent}
        .bar nav a:hover{color:var(--text);text-decoration:none}
        .bar nav a[aria-current]{color:var(--text);border-bottom-color:var(--accent)}
        .bar-end{margin-left:auto;display:flex;align-items:center;gap:14px}
        .count{min-width:18px;padding:0 5px;border-radius:9px;background:var(--bad);color:#fff;font-size:11px;line-height:18px;text-align:center}
        .health{display:flex;align-items:center;gap:7px;color:var(--soft);font-size:13px;white-space:nowrap}
        .health i,.dot{width:8px;height:8px;border-radius:50%;background:var(--faint);flex:none}
        .health[data-state=ok] i{background:var(--good)}
        .health[data-state=failing] i,.health[data-state=lost] i{background:var(--bad)}
        .icon{display:grid;place-items:center;width:32px;height:32px;border:1px solid transparent;border-radius:8px;background:none;color:var(--soft);cursor:pointer}
        .icon:hover{background:var(--sunk);color:var(--text)}
        main{max-width:1320px;margin:0 auto;padding:24px 24px 64px;display:flex;flex-direction:column;gap:24px}
        .panel{background:var(--panel);border:1px solid var(--line);border-radius:10px;box-shadow:var(--shadow);overflow:hidden}
        .panel>header{display:flex;align-items:baseline;gap:10px;padding:14px 18px 10px}
        .panel>header .faint{font-size:13px}
        .panel>header .end{margin-left:auto}
        .empty{padding:20px 18px 24px;color:var(--soft);max-width:64ch}
        .empty code{background:var(--sunk);padding:1px 5px;border-radius:4px}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;background:var(--line);border:1px solid var(--line);border-radius:10px;overflow:hidden;box-shadow:var(--shadow)}
        .tile{background:var(--panel);padding:13px 18px 12px;min-width:0}
        .tile span{display:block;font-size:12px;color:var(--soft)}
        .tile b{display:block;font-size:21px;line-height:1.3;font-weight:620;letter-spacing:-.015em;font-variant-numeric:tabular-nums;white-space:nowrap}
        .tile b small{font-size:13px;font-weight:480;color:var(--soft);letter-spacing:0;margin-left:3px}
        .tile em{display:block;font-style:normal;font-size:12px;color:var(--faint);white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
        .tile[data-tone=warn] b,.tile[data-tone=note-warn] em{color:var(--warn)}.tile[data-tone=bad] b,.tile[data-tone=note-bad] em{color:var(--bad)}
        .scroll{overflow-x:auto}
        table{width:100%;border-collapse:collapse}
        th{font-size:12px;font-weight:520;color:var(--faint);text-align:left;padding:6px 12px;white-space:nowrap;border-bottom:1px solid var(--line)}
        td{padding:9px 12px;border-bottom:1px solid var(--line);vertical-align:middle}
        th:first-child,td:first-child{padding-left:18px}
        th:last-child,td:last-child{padding-right:18px}
        tr:last-child td{border-bottom:0}
        th.num{text-align:right}
        tbody tr.link{cursor:pointer}
        tbody tr.link:hover{background:var(--sunk)}
        td a.name{color:var(--text);font-weight:560;overflow-wrap:anywhere}
        .tag{display:inline-block;margin-left:8px;padding:0 6px;border:1px solid var(--line-strong);border-radius:5px;font-size:11px;line-height:17px;color:var(--soft);white-space:nowrap}
        .pill{display:inline-flex;align-items:center;gap:6px;padding:1px 9px 1px 8px;border-radius:99px;font-size:12px;font-weight:540;line-height:20px;background:var(--sunk);color:var(--soft);white-space:nowrap}
        .pill::before{content:"";width:7px;height:7px;border-radius:50%;background:currentColor}
        .pill[data-state=running]{background:var(--good-soft);color:var(--good)}
        .pill[data-state=failed],.pill[data-state=firing],.pill[data-state=retrying],.pill[data-state=refused]{background:var(--bad-soft);color:var(--bad)}
        .pill[data-state=waiting],.pill[data-state=paused],.pill[data-state=pending]{background:var(--warn-soft);color:var(--warn)}
        .pill[data-state=ended]{background:var(--info-soft);color:var(--info)}
        .warn{color:var(--warn)}.bad{color:var(--bad)}
        .spark{display:block;width:110px;height:26px;overflow:visible}
        .spark path.area{fill:var(--accent-soft)}
        .spark path.stroke{fill:none;stroke:var(--accent);stroke-width:1.5;stroke-linejoin:round}
        .button{display:inline-flex;align-items:center;gap:7px;height:34px;padding:0 14px;border:1px solid var(--line-strong);border-radius:8px;background:var(--panel);font-weight:540;cursor:pointer;white-space:nowrap}
        .button:hover{border-color:var(--faint);text-decoration:none}
        .button.primary{background:var(--accent);border-color:var(--accent);color:var(--panel)}
        .button.primary:hover{filter:brightness(1.07)}
        .button:disabled{opacity:.45;cursor:default}
        kbd{font:11px var(--mono);padding:1px 5px;border:1px solid var(--line-strong);border-bottom-width:2px;border-radius:4px;color:var(--soft);background:var(--sunk)}
        .button.primary kbd{background:none;border-color:currentColor;color:inherit;opacity:.8}

        """#

    static let parts = #"""
        .title{display:flex;flex-wrap:wrap;align-items:center;gap:8px 14px}
        .crumb{font-size:13px;color:var(--faint);width:100%}
        .title .end{margin-left:auto;display:flex;gap:8px}
        .reason{padding:12px 16px;border-radius:10px;background:var(--bad-soft);color:var(--bad);overflow-wrap:anywhere}
        .reason.waits{background:var(--warn-soft);color:var(--warn)}
        .graph{overflow-x:auto;padding:6px 18px 18px}
        .graph svg{display:block;margin:0 auto;max-width:none}
        .graph text{font-family:var(--sans);fill:var(--text)}
        .edge{fill:none;stroke:var(--line-strong);stroke-width:1.6}
        .edge.flows{stroke:var(--accent);stroke-dasharray:3 7;stroke-linecap:round;stroke-width:2.4;animation:flow 1.2s linear infinite}
        @keyframes flow{to{stroke-dashoffset:-20}}
        @media (prefers-reduced-motion:reduce){.edge.flows{animation:none}}
        .step-box{fill:var(--bg);stroke:var(--line)}
        .graph text.step{font-size:11px;fill:var(--soft)}
        .graph text.rate{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}
        .node{cursor:pointer}
        .node:focus-visible{outline:none}
        .node rect.box{fill:var(--panel);stroke:var(--line-strong);stroke-width:1.2}
        .node:hover rect.box,.node[aria-pressed=true] rect.box{stroke:var(--accent);stroke-width:2}
        .node:focus-visible rect.box{stroke:var(--accent);stroke-width:3}
        .node.source rect.box,.node.sink rect.box{fill:var(--sunk)}
        .node.hot rect.box{stroke:var(--warn);stroke-width:2}
        .graph .node text.head{font-size:13px;font-weight:620}
        .graph .node text.what{font-size:11px;fill:var(--soft)}
        .graph .node text.key{font-size:11px;fill:var(--faint)}
        .graph .node text.val{font-size:11.5px;font-variant-numeric:tabular-nums;text-anchor:end}
        .graph .node text.val.warn{fill:var(--warn)}
        .load{fill:var(--sunk)}.load-part{fill:var(--accent)}.hot .load-part{fill:var(--warn)}
        .flag rect{fill:var(--warn)}.graph .flag text{fill:var(--panel);font-size:11px;font-weight:600}
        .detail{border-top:1px solid var(--line);padding:14px 18px 16px}
        .detail h3{font-size:14px;font-weight:620;margin-bottom:2px}
        .detail p{color:var(--soft);margin-bottom:8px;overflow-wrap:anywhere}
        .detail table{width:auto;min-width:min(100%,520px)}
        .detail td,.detail th{padding:5px 18px 5px 0}
        .legend{display:flex;flex-wrap:wrap;gap:4px 18px;padding:0 18px 12px;font-size:12px;color:var(--faint)}
        details.statement summary{padding:12px 18px;cursor:pointer;font-weight:560}
        pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
        details.statement pre{padding:0 18px 16px;color:var(--soft)}
        .columns{display:grid;grid-template-columns:1fr 1fr;gap:24px}
        .columns>*{min-width:0}.stack{display:flex;flex-direction:column;gap:24px}
        .editor{position:relative}
        .editor textarea{display:block;width:100%;min-height:132px;padding:14px 18px;border:0;border-bottom:1px solid var(--line);background:var(--panel);font:13.5px/1.55 var(--mono);tab-size:4;resize:vertical;outline-offset:-2px}
        .tools{display:flex;flex-wrap:wrap;align-items:center;gap:10px;padding:10px 18px}
        .tools select,.chart-tools select{height:34px;padding:0 8px;border:1px solid var(--line-strong);border-radius:8px;background:var(--panel);max-width:220px}
        .tools .end{margin-left:auto;color:var(--soft);font-size:13px;font-variant-numeric:tabular-nums}
        .live{display:inline-flex;align-items:center;gap:7px;color:var(--good);font-weight:560}
        .live::before{content:"";width:8px;height:8px;border-radius:50%;background:currentColor;animation:pulse 1.6s ease-in-out infinite}
        @keyframes pulse{50%{opacity:.25}}
        @media (prefers-reduced-motion:reduce){.live::before{animation:none}}
        .fault{margin:0 18px 16px;padding:12px 14px;border-radius:8px;background:var(--bad-soft);color:var(--bad);overflow-x:auto}
        .fault pre{white-space:pre;overflow-wrap:normal}
        .note{margin:0 18px 12px;padding:8px 12px;border-radius:8px;background:var(--info-soft);color:var(--info);font-size:13px}
        .rows{max-height:460px;overflow:auto;border-top:1px solid var(--line)}
        .rows table{font-size:13px}
        .rows th{position:sticky;top:0;background:var(--panel);z-index:1}
        .rows th small{display:block;font-weight:400;font-size:11px}
        .rows td{padding:4px 12px;max-width:420px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
        .rows td.null{color:var(--faint);font-style:italic}
        .rows tr.minus td{color:var(--bad)}
        .chart-tools{display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center;padding:0 18px 8px;color:var(--soft);font-size:13px}
        .chart-tools label{display:flex;align-items:center;gap:6px}
        .chart{display:block;width:100%;height:240px;padding:0 8px}
        .chart text{font:11px var(--sans);fill:var(--faint);font-variant-numeric:tabular-nums}
        .chart .grid{stroke:var(--line)}
        .chart .band{opacity:.14}.chart .expected{fill:none;opacity:.55;stroke-dasharray:3 4}.chart .unusual{fill:none;stroke:var(--bad);stroke-width:2}
        .chart .mark{stroke:var(--faint);stroke-dasharray:2 3}
        .series{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
        .keys{display:flex;flex-wrap:wrap;gap:4px 16px;padding:4px 18px 14px;font-size:12px;color:var(--soft)}
        .keys i{display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:6px;vertical-align:middle}
        .hint{font-size:13px;color:var(--faint)}
        dialog{border:1px solid var(--line);border-radius:12px;background:var(--panel);color:var(--text);padding:20px 24px;max-width:420px;width:calc(100% - 40px)}
        dialog::backdrop{background:rgba(8,14,20,.45)}
        dialog h2{margin-bottom:12px}
        dialog dl{display:grid;grid-template-columns:auto 1fr;gap:8px 16px;margin:0 0 16px}
        dialog dd{margin:0;color:var(--soft)}
        @media (max-width:900px){.columns{grid-template-columns:1fr}}
        @media (max-width:640px){
        .bar{gap:10px;padding:0 14px}.brand span{display:none}.bar nav a{padding:0 9px}.bar-end{gap:4px}.health span{display:none}
        main{padding:16px 12px 48px;gap:16px}
        .tiles{grid-template-columns:1fr 1fr}.tile:last-child:nth-child(odd){grid-column:1/-1}.tile{padding:10px 14px}.tile b{font-size:18px}
        .cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
        .cards tbody,.cards tr,.cards td{display:block}
        .cards tr{display:grid;grid-template-columns:1fr 1fr;gap:2px 14px;padding:12px 16px;border-bottom:1px solid var(--line)}
        .cards tr:last-child{border-bottom:0}
        .cards td{padding:2px 0!important;border:0;text-align:left;white-space:normal;min-width:0}
        .cards td[data-label]::before{content:attr(data-label);display:block;font-size:11px;color:var(--faint)}
        .cards td.wide{grid-column:1/-1;display:flex;align-items:center;justify-content:space-between;gap:8px}
        .cards .spark{width:96px}
        .title .end{margin-left:0;width:100%}
        .tools .end{margin-left:0;width:100%}
        .graph{padding:6px 8px 14px}
        }

        """#
}
