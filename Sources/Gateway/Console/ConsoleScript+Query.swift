// The console's script, second part: a query with its operator graph.
//
// Nodes stand in layers, each one behind everything that feeds it; on a narrow window layers run downwards. What holds things up is the operator that was at
// work for the largest part of the last second while rows wait, and, for event time, the source that the server names.

extension ConsoleScript {
    static let graph = #"""
        // What the server tells of a query's graph, as nodes and edges with this second's rates.
        function makeGraph(q, old) {
          const g = q.graph, before = old && old.graph && old.name === q.name ? old.graph : null, seconds = old ? (q.at_us - old.at_us) / 1e6 : 0;
          const per = (now, then) => before && seconds > 0 && then !== undefined ? Math.max(0, (now - then) / seconds) : 0;
          const share = (now, then) => before && seconds > 0 && then !== undefined ? Math.min(1, Math.max(0, (now - then) / 1e6 / seconds)) : 0;
          const nodes = [], edges = [], at = q.at_us / 1000;
          g.sources.forEach((x, i) => nodes.push({ id: 's' + i, kind: 'source', head: x.relation, what: 'source · ' + plural(x.shards.length, 'shard'), data: x, index: i,
            lines: [['rows/s', number(per(x.rows_in, before && before.sources[i] && before.sources[i].rows_in))], ['behind', number(x.shards.reduce((n, p) => n + p.behind, 0)), x.shards.some(p => p.behind_ms > 1000) ? 'warn' : ''], ['watermark lag', lagText(x.watermark, at)]] }));
          g.operators.forEach((x, i) => { const b = before && before.operators[i]; nodes.push({ id: 'o' + i, kind: 'operator', head: x.name.replace(/ #\d+$/, ''), what: x.text.replace(/^[a-z]+ /, ''), data: x, index: i, busy: share(x.busy_us, b && b.busy_us), rate: per(x.rows_in, b && b.rows_in),
            lines: [['rows/s in', number(per(x.rows_in, b && b.rows_in))], ['rows/s out', number(per(x.rows_out, b && b.rows_out))], ['state', bytes(x.state_bytes)], ['watermark lag', lagText(x.watermark, at)]] }); });
          nodes.push({ id: 'out', kind: 'sink', head: g.target || 'result', what: 'target', data: {}, lines: [['rows/s', number(rateOf('o:' + q.name))], ['rows', number(q.rows_out)]], busy: share(g.output_busy_us, before && before.output_busy_us) });
          if (g.edges.some(e => e.from_values)) nodes.push({ id: 'v', kind: 'source', head: 'values', what: 'constant rows', data: {}, lines: [] });
          for (const e of g.edges) {
            const from = e.from_values ? 'v' : e.from_source !== undefined ? 's' + e.from_source : 'o' + e.from_operator;
            edges.push({ from, to: e.to_operator === null || e.to_operator === undefined ? 'out' : 'o' + e.to_operator, steps: e.steps });
          }
          const working = nodes.filter(n => n.kind === 'operator' && n.busy > 0).sort((a, b) => b.busy - a.busy)[0];
          if (working && (q.behind > 0 && working.busy > .3 || working.busy > .8)) { working.hot = true; working.flag = q.behind > 0 ? 'holds things up' : 'busiest'; }
          if (q.held_back_by) for (const n of nodes) if (n.kind === 'source' && q.held_back_by.startsWith(n.head + ',')) { n.hot = true; n.flag = 'holds the watermark'; }
          return { nodes, edges };
        }
        function layer(graph) {
          const depth = new Map(graph.nodes.map(n => [n.id, 0]));
          for (let pass = 0; pass < graph.nodes.length; pass++) {
            let moved = false;
            for (const e of graph.edges) if (depth.get(e.to) <= depth.get(e.from)) { depth.set(e.to, depth.get(e.from) + 1); moved = true; }
            if (!moved) break;
          }
          // A source stands right before what reads it.
          for (const n of graph.nodes) if (n.kind === 'source') { const next = graph.edges.filter(e => e.from === n.id).map(e => depth.get(e.to)); if (next.length) depth.set(n.id, Math.max(0, Math.min(...next) - 1)); }
          const layers = [];
          for (const n of graph.nodes) (layers[depth.get(n.id)] = layers[depth.get(n.id)] || []).push(n);
          const place = new Map();
          layers.forEach(l => l.forEach((n, i) => place.set(n.id, i)));
          for (let pass = 0; pass < 4; pass++) for (const l of layers) {
            const want = n => { const near = graph.edges.filter(e => e.to === n.id || e.from === n.id).map(e => place.get(e.to === n.id ? e.from : e.to)); return near.length ? near.reduce((a, b) => a + b, 0) / near.length : place.get(n.id); };
            l.map(n => [want(n), n]).sort((a, b) => a[0] - b[0]).forEach(([, n], i) => { l[i] = n; });
            l.forEach((n, i) => place.set(n.id, i));
          }
          return layers.filter(Boolean);
        }
        const cut = (text, n) => text.length > n ? text.slice(0, n - 1) + '…' : text;
        function drawGraph(graph, selected, select) {
          const down = innerWidth < 700, W = 196, headHeight = 46, lineHeight = 18, gap = down ? 20 : 26, layers = layer(graph);
          const height = n => headHeight + n.lines.length * lineHeight + (n.busy !== undefined ? 16 : 8);
          const at = new Map(layers.flatMap((l, i) => l.map(n => [n.id, i])));
          // Between two layers there is room for what is written on the ways that end there.
          const between = layers.map((l, i) => { const chips = graph.edges.filter(e => at.get(e.to) === i + 1).map(e => e.steps.join(' · ')); return down ? (chips.some(Boolean) ? 62 : 44) : Math.max(48, ...chips.map(c => c ? c.length * 6 + 54 : 0)); });
          let width = 0, total = 0;
          if (down) {
            let y = 14;
            layers.forEach((l, i) => { let x = 0; const tall = Math.max(...l.map(height)); for (const n of l) { n.x = x; n.y = y; x += W + gap; } width = Math.max(width, x - gap); total = y + tall; y = total + between[i]; l.span = x - gap; });
            for (const l of layers) for (const n of l) n.x += (width - l.span) / 2;
          } else {
            let x = 0;
            layers.forEach((l, i) => { let y = 14; for (const n of l) { n.x = x; n.y = y; y += height(n) + gap; } total = Math.max(total, y - gap); l.span = y - gap; width = x + W; x = width + between[i]; });
            for (const l of layers) for (const n of l) n.y += (total - l.span) / 2;
          }
          const by = new Map(graph.nodes.map(n => [n.id, n])), svg = s('svg', { width: width + 4, height: total + 18, viewBox: `-2 -2 ${width + 4} ${total + 18}`, role: 'group', 'aria-label': 'Operator graph' });
          for (const e of graph.edges) {
            const a = by.get(e.from), b = by.get(e.to);
            if (!a || !b) continue;
            const flows = (b.kind === 'operator' ? b.rate : 1) > 0 && (a.kind === 'source' ? parseFloat(a.lines.length ? a.lines[0][1] : '0') > 0 : true) && !(b.kind === 'sink' && b.lines[0][1] === '0');
            const [x1, y1, x2, y2] = down ? [a.x + W / 2, a.y + height(a), b.x + W / 2, b.y] : [a.x + W, a.y + height(a) / 2, b.x, b.y + height(b) / 2];
            const m = down ? (y2 - y1) / 2 : (x2 - x1) / 2, d = down ? `M${x1} ${y1}C${x1} ${y1 + m} ${x2} ${y2 - m} ${x2} ${y2}` : `M${x1} ${y1}C${x1 + m} ${y1} ${x2 - m} ${y2} ${x2} ${y2}`;
            svg.append(s('path', { class: 'edge', d }));
            if (flows) svg.append(s('path', { class: 'edge flows', d }));
            const text = e.steps.join(' · ');
            if (text) { const cx = (x1 + x2) / 2, cy = (y1 + y2) / 2, w = text.length * 5.9 + 18; svg.append(s('rect', { class: 'step-box', x: cx - w / 2, y: cy - 10, width: w, height: 20, rx: 10 }), s('text', { class: 'step', x: cx, y: cy + 4, 'text-anchor': 'middle' }, text)); }
          }
          for (const n of graph.nodes) {
            const H = height(n), open = () => select(n.id);
            const e = s('g', { class: `node ${n.kind}${n.hot ? ' hot' : ''}`, transform: `translate(${n.x} ${n.y})`, tabindex: 0, role: 'button', 'data-key': 'n' + n.id, 'aria-pressed': selected === n.id ? 'true' : 'false',
              'aria-label': [n.head, n.what, ...n.lines.map(l => l[0] + ' ' + l[1]), n.flag || ''].join(', '), onclick: open, onkeydown: ev => { if (ev.key === 'Enter' || ev.key === ' ') { ev.preventDefault(); open(); } } },
              s('title', {}, n.data.text || n.head), s('rect', { class: 'box', width: W, height: H, rx: 9 }), s('text', { class: 'head', x: 12, y: 21 }, cut(n.head, 24)), s('text', { class: 'what', x: 12, y: 37 }, cut(n.what, 31)));
            n.lines.forEach((l, i) => { const y = headHeight + 11 + i * lineHeight; e.append(s('text', { class: 'key', x: 12, y }, l[0]), s('text', { class: 'val ' + (l[2] || ''), x: W - 12, y }, l[1])); });
            if (n.busy !== undefined) e.append(s('rect', { class: 'load', x: 12, y: H - 11, width: W - 24, height: 4, rx: 2 }), n.busy > .004 && s('rect', { class: 'load-part', x: 12, y: H - 11, width: Math.max(3, (W - 24) * n.busy), height: 4, rx: 2 }) || '');
            if (n.flag) { const w = n.flag.length * 6.1 + 16; e.append(s('g', { class: 'flag', transform: `translate(${W - w - 8} -9)` }, s('rect', { width: w, height: 18, rx: 9 }), s('text', { x: w / 2, y: 13, 'text-anchor': 'middle' }, n.flag))); }
            svg.append(e);
          }
          return svg;
        }

        """#

    static let query = #"""
        let selectedNode = null;
        function nodeDetail(q, graph) {
          const n = graph && graph.nodes.find(x => x.id === selectedNode), at = q.at_us / 1000;
          if (!n) return null;
          const row = (k, v) => h('tr', {}, h('td', { class: 'soft' }, k), h('td', { class: 'num' }, v));
          if (n.kind === 'source' && n.data.shards) return h('div', { class: 'detail' }, h('h3', {}, n.head), h('p', {}, h('a', { href: link('streams', n.head), 'data-key': 'to-stream' }, 'the stream')), h('div', { class: 'scroll' }, h('table', {},
            h('thead', {}, h('tr', {}, ['Shard', 'Next row', 'Behind', 'Waited', 'Watermark', 'Lag', ''].map((t, i) => h('th', { class: i && i < 6 ? 'num' : null, scope: 'col' }, t)))),
            h('tbody', {}, n.data.shards.map((p, i) => h('tr', {}, h('td', {}, String(i)), N2(number(p.position)), N2(number(p.behind)), N2(p.behind_ms === null ? '–' : span(p.behind_ms)), N2(p.watermark || '–'), N2(lagText(p.watermark, at)), h('td', {}, p.ended ? 'ended' : p.idle ? 'idle' : p.behind ? 'behind' : 'caught up')))))));
          if (n.kind === 'operator') return h('div', { class: 'detail' }, h('h3', {}, n.data.name), h('p', { class: 'mono' }, n.data.text), h('table', {}, h('tbody', {}, row('rows in', number(n.data.rows_in)), row('rows out', number(n.data.rows_out)), row('late rows', number(n.data.late_rows)), row('failed rows', number(n.data.failed_rows)), row('groups held', number(n.data.groups)), row('state', bytes(n.data.state_bytes)), row('watermark', n.data.watermark || '–'), row('at work', Math.round(n.busy * 100) + ' % of the last second'), row('at work in all', span(n.data.busy_us / 1000)))));
          return h('div', { class: 'detail' }, h('h3', {}, n.head), h('p', {}, h('a', { href: link('streams', n.head), 'data-key': 'to-stream' }, 'the stream')), h('table', {}, h('tbody', {}, row('rows', number(q.rows_out)), row('waited for it', span(q.graph.time.output_us / 1000)))));
        }
        function showQuery(main, name) {
          const q = model.detail && model.detail.name === name ? model.detail : model.queries.find(x => x.name === name), old = model.detailBefore;
          if (!q) return showMissing(main, 'query', name);
          const graph = q.graph ? makeGraph(q, old) : null, at = model.at, c = q.checkpoints;
          const latency = q.graph && q.graph.time.latency.buckets, recent = latency && old && old.graph && old.name === name ? latency.map((v, i) => v - old.graph.time.latency.buckets[i]) : null;
          const counts = recent && recent.some(x => x > 0) ? recent : latency, p50 = counts && quantile(counts, .5), p99 = counts && quantile(counts, .99);
          const select = id => { selectedNode = selectedNode === id ? null : id; render(); };
          const target = q.graph && q.graph.target;
          put(main,
            h('div', { class: 'title' }, h('p', { class: 'crumb' }, h('a', { href: '#/', 'data-key': 'back' }, 'Overview'), ' / query'), h('h1', {}, q.name), pill(q.state),
              h('div', { class: 'end' }, target && model.streams.some(x => x.name === target && x.log) && h('a', { class: 'button primary', 'data-key': 'watch', href: '#/sql?run=' + encodeURIComponent(`SELECT STREAM * FROM ${quoted(target)}`) }, 'Watch its output'))),
            q.reason && h('p', { class: 'reason' + (q.state === 'waiting' ? ' waits' : ''), role: 'alert' }, q.reason),
            h('section', { class: 'tiles', 'aria-label': 'In short' },
              tile('Rows in', number(rateOf('i:' + name)), '/s', number(q.rows_in) + ' in all'), tile('Rows out', number(rateOf('o:' + name)), '/s', number(q.rows_out) + ' in all'),
              tile('Latency', p50 === null || p50 === undefined ? '–' : span(p50), '', p99 ? '99 % within ' + span(p99) : 'arrival to result'),
              tile('Watermark lag', lagText(q.watermark, at), '', q.held_back_by ? 'held by ' + q.held_back_by : q.watermark || 'no event time'),
              tile('Behind', q.behind ? number(q.behind) : '0', 'rows', q.behind ? 'for ' + span(q.behind_ms) : 'caught up', q.behind_ms > 5000 ? 'warn' : null),
              tile('State', ...bytes(q.state_bytes).split(' '), c ? (c.last ? 'checkpoint ' + span(Math.max(0, at - time(c.last))) + ' ago' : 'no checkpoint yet') : '', null),
              tile('Bad rows', number(q.late_rows + q.failed_rows + q.rejected_rows), '', `${number(q.late_rows)} late, ${number(q.failed_rows + q.rejected_rows)} failed`, q.late_rows + q.failed_rows + q.rejected_rows ? 'warn' : null)),
            h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Operators'), h('span', { class: 'faint' }, graph ? 'live; choose one for more' : '')),
              graph ? [h('div', { class: 'graph', 'data-scroll': 'graph' }, drawGraph(graph, selectedNode, select)), h('div', { class: 'legend' }, h('span', {}, 'The bar in a node: the part of the last second it was at work.'), h('span', {}, 'Moving dots: rows are flowing.')), nodeDetail(q, graph)] : h('p', { class: 'empty' }, q.state === 'running' ? 'One moment.' : 'It has not run in this process, so there is nothing to draw.')),
            h('div', { class: 'columns' },
              h('details', { class: 'panel statement', open: true }, h('summary', { 'data-key': 'statement' }, 'Statement'), h('pre', {}, q.statement)),
              h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Checkpoints')), c && c.count + c.failures > 0 ? h('table', {}, h('tbody', {}, [['Published', number(c.count)], ['Failed', number(c.failures)], ['Last one', c.last ? span(Math.max(0, at - time(c.last))) + ' ago' : '–'], ['Written for it', bytes(c.bytes)], ['State on disk', bytes(c.state_bytes)], ['Query stood still', span(c.capture_us / 1000)], ['Written beside it in', span(c.write_us / 1000)]].map(r => h('tr', {}, h('td', { class: 'soft' }, r[0]), h('td', { class: 'num' + (r[0] === 'Failed' && c.failures ? ' bad' : '') }, r[1]))))) : h('p', { class: 'empty' }, 'None since the query was started.'))));
        }

        """#
}
