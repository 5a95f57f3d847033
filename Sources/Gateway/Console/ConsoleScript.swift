// The console's script, first part: small tools (elements, numbers as people read them), and the model, which asks the server once a second and makes rates
// of two readings.

enum ConsoleScript {
    static let tools = #"""
        'use strict';
        const $ = s => document.querySelector(s);
        const SVG = 'http://www.w3.org/2000/svg';
        function fill(e, attributes, children) {
          for (const [k, v] of Object.entries(attributes || {})) {
            if (v === null || v === undefined || v === false) continue;
            if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
            else e.setAttribute(k, v === true ? '' : v);
          }
          for (const c of children.flat(9)) if (c !== null && c !== undefined && c !== false) e.append(c);
          return e;
        }
        const h = (tag, a, ...c) => fill(document.createElement(tag), a, c);
        const s = (tag, a, ...c) => fill(document.createElementNS(SVG, tag), a, c);
        // Replaces an element's content without losing the focus or the place of what scrolls inside it.
        function put(target, ...children) {
          const id = document.activeElement && target.contains(document.activeElement) ? document.activeElement.dataset.key : null;
          const places = [...target.querySelectorAll('[data-scroll]')].map(e => [e.dataset.scroll, e.scrollTop, e.scrollLeft]);
          target.replaceChildren(...children.flat(9).filter(c => c !== null && c !== undefined && c !== false));
          for (const [key, top, left] of places) { const e = target.querySelector(`[data-scroll="${key}"]`); if (e) { e.scrollTop = top; e.scrollLeft = left; } }
          if (id) for (const e of target.querySelectorAll('[data-key]')) if (e.dataset.key === id) { e.focus({ preventScroll: true }); break; }
        }
        function number(n) {
          if (n === null || n === undefined || !isFinite(n)) return '–';
          const a = Math.abs(n);
          if (a >= 1e12) return (n / 1e12).toFixed(a >= 1e13 ? 1 : 2) + ' T';
          if (a >= 1e9) return (n / 1e9).toFixed(a >= 1e10 ? 1 : 2) + ' G';
          if (a >= 1e6) return (n / 1e6).toFixed(a >= 1e7 ? 1 : 2) + ' M';
          if (a >= 1e4) return (n / 1e3).toFixed(a >= 1e5 ? 0 : 1) + ' k';
          if (a >= 100 || Number.isInteger(n)) return Math.round(n).toLocaleString('en');
          return a >= 10 ? n.toFixed(1) : a > 0 ? n.toFixed(a < .1 ? 3 : 2) : '0';
        }
        function bytes(n) {
          if (n === null || n === undefined) return '–';
          const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']; let u = 0;
          while (n >= 1024 && u < 4) { n /= 1024; u++; }
          return (u === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + ' ' + units[u];
        }
        function span(ms) {
          if (ms === null || ms === undefined || !isFinite(ms)) return '–';
          if (ms < 1) return ms <= 0 ? '0 ms' : ms.toFixed(2) + ' ms';
          if (ms < 1000) return (ms < 10 ? ms.toFixed(1) : Math.round(ms)) + ' ms';
          const x = ms / 1000;
          if (x < 60) return x.toFixed(x < 10 ? 1 : 0) + ' s';
          if (x < 3600) return Math.floor(x / 60) + ' min ' + (Math.round(x % 60) ? Math.round(x % 60) + ' s' : '');
          if (x < 172800) return Math.floor(x / 3600) + ' h ' + Math.floor(x % 3600 / 60) + ' min';
          return Math.round(x / 86400) + ' days';
        }
        const plural = (n, word) => number(n) + ' ' + word + (n === 1 ? '' : 's');
        const time = text => text ? Date.parse(/Z$|[+-]\d\d:?\d\d$/.test(text) ? text : text + 'Z') : NaN;
        // How far a watermark is behind the clock; null before the first one and at the end of time.
        function lag(watermark, at) { const t = time(watermark); return isNaN(t) ? null : Math.max(0, at - t); }
        const lagText = (watermark, at) => watermark === 'the end of time' ? 'at the end' : watermark ? span(lag(watermark, at)) : 'none yet';
        const pill = state => h('span', { class: 'pill', 'data-state': state }, state);
        const tile = (label, value, unit, note, tone) => h('div', { class: 'tile', 'data-tone': tone }, h('span', {}, label), h('b', {}, value, unit && h('small', {}, unit)), h('em', {}, note || '\u00a0'));
        function spark(values) {
          const W = 110, H = 26, n = 60, top = Math.max(...values, 1e-9);
          const points = values.map((v, i) => [(n - values.length + i) * W / (n - 1), H - 1 - v / top * (H - 4)]);
          const line = points.map((p, i) => (i ? 'L' : 'M') + p[0].toFixed(1) + ' ' + p[1].toFixed(1)).join('');
          return s('svg', { class: 'spark', viewBox: `0 0 ${W} ${H}`, 'aria-hidden': true },
            points.length > 1 && s('path', { class: 'area', d: line + `L${W} ${H}L${points[0][0].toFixed(1)} ${H}Z` }),
            points.length > 1 && s('path', { class: 'stroke', d: line }));
        }

        """#

    static let model = #"""
        const model = { streams: [], queries: [], at: Date.now(), history: new Map(), before: new Map(), rates: new Map(), detail: null, detailBefore: null, loaded: false };
        async function get(path) {
          const r = await fetch(path, { headers: { Accept: 'application/json' } });
          const body = await r.json().catch(() => null);
          if (!r.ok && !(path === '/healthz' && body)) throw new Error(body && body.error ? body.error.message : 'status ' + r.status);
          return body;
        }
        // The rate of a counter between this reading and the last one, and its last minute.
        function rate(key, value, at) {
          const old = model.before.get(key);
          model.before.set(key, { value, at });
          if (!old || at <= old.at) return model.rates.get(key) || 0;
          const r = Math.max(0, (value - old.value) / ((at - old.at) / 1e6));
          model.rates.set(key, r);
          const list = model.history.get(key) || [];
          list.push(r);
          if (list.length > 60) list.shift();
          model.history.set(key, list);
          return r;
        }
        const rateOf = key => model.rates.get(key) || 0;
        const historyOf = key => model.history.get(key) || [];
        function health(state, text) { const e = $('#health'); e.dataset.state = state; e.lastElementChild.textContent = text; }
        async function refresh() {
          try {
            const [streams, queries, state] = await Promise.all([get('/v1/streams'), get('/v1/queries'), get('/healthz')]);
            model.streams = streams.streams;
            model.queries = queries.queries;
            model.at = queries.at_us / 1000;
            for (const x of model.streams) {
              x.total = (x.shards || []).reduce((n, p) => n + p.end_sequence, 0);
              x.size = (x.shards || []).reduce((n, p) => n + p.bytes, 0);
              x.last = Math.max(...(x.shards || []).map(p => time(p.last_arrival)).filter(t => !isNaN(t)), -Infinity);
              rate('s:' + x.name, x.total, streams.at_us);
            }
            for (const q of model.queries) { rate('i:' + q.name, q.rows_in, queries.at_us); rate('o:' + q.name, q.rows_out, queries.at_us); }
            model.loaded = true;
            health(state.status === 'ok' ? 'ok' : 'failing', state.status === 'ok' ? 'healthy' : state.reasons.join('; '));
          } catch (e) { health('lost', 'no answer'); }
        }
        // Of a histogram of the server: the bound under which so large a part lies, from the counts since the last reading when there are any.
        const BOUNDS = [.25, .5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5];
        function quantile(buckets, part) {
          const total = buckets.reduce((a, b) => a + b, 0);
          if (!total) return null;
          let seen = 0;
          for (let i = 0; i < buckets.length; i++) {
            if (seen + buckets[i] >= part * total && buckets[i] > 0) {
              const low = i ? BOUNDS[i - 1] : 0, high = i < BOUNDS.length ? BOUNDS[i] : BOUNDS[i - 1];
              return low + (high - low) * (part * total - seen) / buckets[i];
            }
            seen += buckets[i];
          }
          return null;
        }

        """#

    static let overview = #"""
        const link = (prefix, name) => '#/' + prefix + '/' + encodeURIComponent(name);
        const isErrors = x => /_errors$/.test(x.name) && model.streams.some(y => y.name + '_errors' === x.name || model.queries.some(q => q.name + '_errors' === x.name));
        function ago(last) { return isFinite(last) ? span(Math.max(0, model.at - last)) + ' ago' : 'never'; }
        function go(event, to) { if (!event.target.closest('a,button')) location.hash = to; }
        function showOverview(main) {
          const shown = model.streams.filter(x => x.log && !isErrors(x)), errors = model.streams.filter(isErrors), others = model.streams.filter(x => !x.log);
          const running = model.queries.filter(q => q.state === 'running'), failed = model.queries.filter(q => q.state === 'failed'), waiting = model.queries.filter(q => q.state === 'waiting');
          const furthest = model.queries.reduce((a, q) => q.behind > (a ? a.behind : 0) ? q : a, null);
          const rows = shown.reduce((n, x) => n + rateOf('s:' + x.name), 0);
          const bad = errors.reduce((n, x) => n + (x.rows || 0), 0);
          put(main,
            h('div', { class: 'title' }, h('h1', {}, 'Overview')),
            h('section', { class: 'tiles', 'aria-label': 'In short' },
              tile('Rows in', number(rows), '/s', plural(shown.length, 'stream')),
              tile('Queries running', String(running.length), 'of ' + model.queries.length, failed.length ? failed.length + ' failed' : waiting.length ? waiting.length + ' waiting' : 'none failed', failed.length ? 'note-bad' : waiting.length ? 'note-warn' : null),
              tile('Furthest behind', furthest ? number(furthest.behind) : '0', 'rows', furthest ? furthest.name : 'all caught up'),
              tile('State in memory', ...bytes(model.queries.reduce((n, q) => n + q.state_bytes, 0)).split(' '), 'of all queries'),
              tile('Log on disk', ...bytes(model.streams.reduce((n, x) => n + x.size, 0)).split(' '), 'retained'),
              tile('Bad rows', number(bad), '', bad ? plural(errors.filter(x => x.rows).length, 'error stream') : 'none', bad ? 'warn' : null)),
            h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Queries'), h('span', { class: 'faint' }, 'saved and running')),
              model.queries.length ? queryTable() : h('p', { class: 'empty' }, 'No query yet. ', h('code', {}, 'CREATE QUERY name AS INSERT INTO stream SELECT …'), ' makes one that goes on for ever; ', h('a', { href: '#/sql' }, 'try it'), '.')),
            h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Streams'), h('span', { class: 'faint' }, 'in the log')),
              shown.length + errors.length ? streamTable([...shown, ...errors]) : h('p', { class: 'empty' }, 'No stream yet. ', h('code', {}, 'CREATE STREAM name (column TYPE, …)'), ' makes one; ', h('a', { href: '#/sql' }, 'try it'), '.')),
            others.length > 0 && h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Other relations'), h('span', { class: 'faint' }, 'views, files, generators')),
              h('div', { class: 'scroll' }, h('table', {}, h('tbody', {}, others.map(x => h('tr', {}, h('td', {}, h('a', { class: 'name', 'data-key': 'r' + x.name, href: link('streams', x.name) }, x.name), h('span', { class: 'tag' }, x.kind === 'view' ? 'view' : x.connector)), h('td', { class: 'soft' }, x.columns.map(c => c.name).join(', ')))))))));
        }
        function cells(labels, row, values) { return h('tr', row, values.map((v, i) => fill(h('td', {}), { 'data-label': labels[i] || null, ...(v.a || {}) }, [v.c === undefined ? v : v.c]))); }
        const N = (c, cls) => ({ a: { class: 'num ' + (cls || '') }, c });
        function queryTable() {
          const labels = ['', 'In, last minute', 'Rows in', 'Rows out', 'Late', 'Watermark lag', 'Behind', 'State'];
          return h('div', { class: 'scroll' }, h('table', { class: 'cards' },
            h('thead', {}, h('tr', {}, labels.map((t, i) => h('th', { class: i > 1 ? 'num' : null, scope: 'col' }, t || 'Query')))),
            h('tbody', {}, model.queries.map(q => {
              const wait = q.behind_ms, l = lag(q.watermark, model.at);
              return cells(labels, { class: 'link', onclick: e => go(e, link('queries', q.name)) }, [
                { a: { class: 'wide' }, c: [h('a', { class: 'name', 'data-key': 'q' + q.name, href: link('queries', q.name) }, q.name), '\u2002', pill(q.state)] },
                spark(historyOf('i:' + q.name)), N([number(rateOf('i:' + q.name)), h('span', { class: 'faint' }, ' /s')]), N([number(rateOf('o:' + q.name)), h('span', { class: 'faint' }, ' /s')]),
                N(number(q.late_rows), q.late_rows ? 'warn' : 'faint'), N(lagText(q.watermark, model.at)), N(q.behind ? number(q.behind) + (wait ? ' · ' + span(wait) : '') : 'caught up', q.behind > 0 && wait > 1000 ? 'warn' : q.behind ? '' : 'faint'), N(bytes(q.state_bytes))]);
            }))));
        }
        function streamTable(streams) {
          const labels = ['', 'Last minute', 'Rate', 'Rows', 'Size', 'Shards', 'Last row'];
          return h('div', { class: 'scroll' }, h('table', { class: 'cards' },
            h('thead', {}, h('tr', {}, labels.map((t, i) => h('th', { class: i > 1 ? 'num' : null, scope: 'col' }, t || 'Stream')))),
            h('tbody', {}, streams.map(x => {
              const fault = (x.shards || []).find(p => p.fault);
              return cells(labels, { class: 'link', onclick: e => go(e, link('streams', x.name)) }, [
                { a: { class: 'wide' }, c: [h('span', {}, h('a', { class: 'name', 'data-key': 's' + x.name, href: link('streams', x.name) }, x.name), x.changelog && h('span', { class: 'tag' }, 'changelog'), x.kind === 'table' && h('span', { class: 'tag' }, 'table'), isErrors(x) && h('span', { class: 'tag' }, 'errors'), fault && h('span', { class: 'tag bad', title: fault.fault }, 'fault'))] },
                spark(historyOf('s:' + x.name)), N([number(rateOf('s:' + x.name)), h('span', { class: 'faint' }, ' /s')]), N(number(x.rows)), N(bytes(x.size)), N(String((x.shards || []).length)), N(ago(x.last), 'soft')]);
            }))));
        }
        function showStream(main, name) {
          const x = model.streams.find(y => y.name === name);
          if (!x) return showMissing(main, 'stream', name);
          const reads = model.queries.filter(q => new RegExp('\\b' + name.replace(/[^\w]/g, '\\$&') + '\\b', 'i').test(q.statement));
          put(main,
            h('div', { class: 'title' }, h('p', { class: 'crumb' }, h('a', { href: '#/', 'data-key': 'back' }, 'Overview'), ' / ', x.kind), h('h1', {}, x.name), x.changelog && h('span', { class: 'tag' }, 'changelog'), x.connector && x.connector !== 'log' && h('span', { class: 'tag' }, x.connector),
              h('div', { class: 'end' }, x.log && h('a', { class: 'button primary', 'data-key': 'watch', href: '#/sql?run=' + encodeURIComponent(`SELECT STREAM * FROM ${quoted(x.name)}`) }, 'Watch it live'), h('a', { class: 'button', 'data-key': 'query', href: '#/sql?text=' + encodeURIComponent(`SELECT * FROM ${quoted(x.name)} LIMIT 100`) }, 'Query it'))),
            x.log && h('section', { class: 'tiles', 'aria-label': 'In short' },
              tile('Rows in', number(rateOf('s:' + name)), '/s', 'last row ' + ago(x.last)), tile('Rows', number(x.rows), '', number(x.shards.reduce((n, p) => n + p.expired_rows, 0)) + ' expired'),
              tile('Size', ...bytes(x.size).split(' '), plural(x.shards.reduce((n, p) => n + p.segments, 0), 'segment')), tile('Bad rows', number(x.error_rows), '', x.error_rows ? 'in ' + x.name + '_errors' : 'none', x.error_rows ? 'warn' : null)),
            h('div', { class: 'columns' },
              h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Columns')), h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Name'), h('th', { scope: 'col' }, 'Type'))), h('tbody', {}, x.columns.map(c => h('tr', {}, h('td', {}, c.name, c.name === x.event_time && h('span', { class: 'tag' }, 'event time')), h('td', { class: 'mono soft' }, c.type))))))),
              h('div', { class: 'stack' }, x.log && h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Shards')), h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, ['Shard', 'Oldest', 'Next', 'Size'].map((t, i) => h('th', { class: i ? 'num' : null, scope: 'col' }, t)))), h('tbody', {}, x.shards.map((p, i) => h('tr', {}, h('td', {}, String(i), p.closed && h('span', { class: 'tag' }, 'closed'), p.fault && h('div', { class: 'bad' }, p.fault)), N2(number(p.oldest_sequence)), N2(number(p.end_sequence)), N2(bytes(p.bytes)))))))),
                h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Named by')), reads.length ? h('div', { class: 'scroll' }, h('table', {}, h('tbody', {}, reads.map(q => h('tr', {}, h('td', {}, h('a', { class: 'name', 'data-key': 'n' + q.name, href: link('queries', q.name) }, q.name)), h('td', {}, pill(q.state))))))) : h('p', { class: 'empty' }, 'No query names it.')))));
        }
        const N2 = text => h('td', { class: 'num' }, text);
        const quoted = name => /^[a-z_][a-z0-9_]*$/i.test(name) ? name : '"' + name.replace(/"/g, '""') + '"';
        function showMissing(main, what, name) {
          put(main, h('div', { class: 'title' }, h('h1', {}, model.loaded ? `There is no ${what} “${name}”` : 'One moment')), h('p', {}, h('a', { href: '#/', 'data-key': 'back' }, 'Back to the overview')));
        }

        """#
}
