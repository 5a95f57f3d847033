// The console's script, third part: the SQL box with its live results, the chart, alerts, and what holds the views together.

extension ConsoleScript {
    static let chart = #"""
        // Lines over time (or over the order of arrival): `points` are [x, y, what was expected], one list a series; the third is { low, high, expected, grade } or missing.
        function drawChart(svg, series, overTime) {
          const W = svg.clientWidth || 800, H = 240, L = 62, R = 14, T = 12, B = 26;
          svg.setAttribute('viewBox', `0 0 ${W} ${H}`);
          const all = series.flatMap(x => x.points);
          if (!all.length) { svg.replaceChildren(s('text', { x: W / 2, y: H / 2, 'text-anchor': 'middle' }, 'no values yet')); return; }
          let x0 = Infinity, x1 = -Infinity, y0 = Infinity, y1 = -Infinity;
          for (const [x, y] of all) { if (x < x0) x0 = x; if (x > x1) x1 = x; if (y < y0) y0 = y; if (y > y1) y1 = y; }
          // The range that was expected is shown as far as it does not make the values themselves small.
          const room = Math.max(y1 - y0, Math.abs(y1) / 10), least = y0 - room, most = y1 + room;
          for (const [, , e] of all) if (e) for (const b of [e.low, e.high, e.expected]) if (b !== null) { y0 = Math.min(y0, Math.max(b, least)); y1 = Math.max(y1, Math.min(b, most)); }
          if (y0 > 0 && y0 < (y1 - y0) * 1.5 || y0 === y1 && y0 > 0) y0 = 0;
          if (y0 === y1) y1 = y0 + 1;
          if (x0 === x1) { x0 -= 1; x1 += 1; }
          const raw = (y1 - y0) / 4, ten = Math.pow(10, Math.floor(Math.log10(raw))), step = [1, 2, 2.5, 5, 10].find(m => m * ten >= raw) * ten;
          y0 = Math.floor(y0 / step) * step; y1 = Math.ceil(y1 / step) * step;
          const X = x => L + (x - x0) / (x1 - x0) * (W - L - R), Y = y => T + (y1 - y) / (y1 - y0) * (H - T - B), parts = [];
          for (let y = y0; y <= y1 + step / 2; y += step) parts.push(s('line', { class: 'grid', x1: L, x2: W - R, y1: Y(y), y2: Y(y) }), s('text', { x: L - 8, y: Y(y) + 4, 'text-anchor': 'end' }, number(Math.abs(y) < step / 1e6 ? 0 : y)));
          const ticks = Math.max(2, Math.min(6, Math.floor(W / 150)));
          for (let i = 0; i <= ticks; i++) { const x = x0 + (x1 - x0) * i / ticks; parts.push(s('text', { x: X(x), y: H - 6, 'text-anchor': i === 0 ? 'start' : i === ticks ? 'end' : 'middle' }, overTime ? clockText(x, x1 - x0) : number(Math.round(x)))); }
          const inside = y => Y(Math.min(y1, Math.max(y0, y))).toFixed(1);
          series.forEach((one, i) => {
            const known = one.points.filter(p => p[2] && p[2].low !== null && p[2].high !== null), told = one.points.filter(p => p[2] && p[2].expected !== null);
            if (known.length > 1) parts.push(s('path', { class: 'band', fill: `var(--s${i % 6 + 1})`, d: known.map((p, j) => (j ? 'L' : 'M') + X(p[0]).toFixed(1) + ' ' + inside(p[2].high)).join('') + known.slice().reverse().map(p => 'L' + X(p[0]).toFixed(1) + ' ' + inside(p[2].low)).join('') + 'Z' }));
            if (told.length > 1) parts.push(s('path', { class: 'expected', stroke: `var(--s${i % 6 + 1})`, d: told.map((p, j) => (j ? 'L' : 'M') + X(p[0]).toFixed(1) + ' ' + inside(p[2].expected)).join('') }));
          });
          series.forEach((one, i) => {
            const d = one.points.map((p, j) => (j ? 'L' : 'M') + X(p[0]).toFixed(1) + ' ' + Y(p[1]).toFixed(1)).join('');
            parts.push(s('path', { class: 'series', d, stroke: `var(--s${i % 6 + 1})` }));
            if (one.points.length < 60) for (const p of one.points) parts.push(s('circle', { cx: X(p[0]).toFixed(1), cy: Y(p[1]).toFixed(1), r: 2.4, fill: `var(--s${i % 6 + 1})` }));
          });
          for (const one of series) for (const p of one.points) if (p[2] && p[2].grade > 0) parts.push(s('circle', { class: 'unusual', cx: X(p[0]).toFixed(1), cy: Y(p[1]).toFixed(1), r: 4.5 }, s('title', {}, 'grade ' + p[2].grade)));
          svg.replaceChildren(...parts);
        }
        function clockText(ms, range) { const t = new Date(ms).toISOString(); return range > 2 * 864e5 ? t.slice(5, 10) : range > 12e4 ? t.slice(11, 16) : range > 2e3 ? t.slice(11, 19) : t.slice(14, 23); }

        """#

    static let sql = #"""
        const KEPT = 2000, SHOWN = 200;
        const sql = { text: sessionStorage.getItem('sql') || 'SHOW STREAMS', abort: null, columns: [], rows: [], seen: 0, live: false, started: 0, ended: 0, fault: null, notes: [], tags: [], dirty: false, y: '', x: '', by: '', view: null, sayings: {} };
        const examples = () => {
          const x = model.streams.find(y => y.log && !isErrors(y) && y.event_time) || model.streams.find(y => y.log && !isErrors(y)), name = x ? quoted(x.name) : 'my_stream', t = x && x.event_time ? quoted(x.event_time) : 'ts';
          return [['Streams', 'SHOW STREAMS'], ['Queries', 'SHOW QUERIES'], ['Latest rows, live', `SELECT STREAM * FROM ${name}`], ['The first hundred rows', `SELECT * FROM ${name} LIMIT 100`],
            ['Rows per second, live', `SELECT STREAM window_start, count(*) AS rows_per_second\nFROM TABLE(TUMBLE(TABLE ${name}, DESCRIPTOR(${t}), INTERVAL '1' SECOND))\nGROUP BY window_start, window_end`], ['A new stream', 'CREATE STREAM readings (\n  at TIMESTAMP(3),\n  sensor VARCHAR,\n  value DOUBLE,\n  WATERMARK FOR at AS at - INTERVAL \'2\' SECOND\n)']];
        };
        // Integers beyond 2^53 keep their digits.
        const parse = line => /\d{16}/.test(line) ? JSON.parse(line, (k, v, c) => typeof v === 'number' && c && c.source && Number.isInteger(v) && !Number.isSafeInteger(v) ? c.source : v) : JSON.parse(line);
        async function runSQL() {
          stopSQL();
          const abort = new AbortController(), text = $('#sql-text') ? $('#sql-text').value : sql.text;
          Object.assign(sql, { text, abort, columns: [], rows: [], seen: 0, live: false, started: performance.now(), ended: 0, fault: null, notes: [], tags: [], y: '', x: '', by: '', dirty: true });
          sessionStorage.setItem('sql', text);
          try {
            const r = await fetch('/v1/sql?rows=arrays', { method: 'POST', headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body: text, signal: abort.signal });
            const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
            let rest = '';
            for (;;) {
              const { value, done } = await reader.read();
              const lines = (rest + (value || '')).split('\n');
              rest = done ? '' : lines.pop();
              for (const line of lines) if (line) take(line);
              if (done) break;
            }
          } catch (e) { if (e.name !== 'AbortError' && sql.abort === abort) sql.fault = { message: 'the connection is lost: ' + e.message }; }
          if (sql.abort === abort) { sql.abort = null; sql.ended = performance.now(); sql.dirty = true; paintSQL(); }
        }
        function take(line) {
          sql.dirty = true;
          if (line[0] === '[') { sql.seen++; sql.rows.push(parse(line)); if (sql.rows.length > KEPT * 1.2) sql.rows.splice(0, sql.rows.length - KEPT); return; }
          const x = parse(line);
          if (x.columns) { Object.assign(sql, { columns: x.columns, rows: [], seen: 0, live: x.live }); chooseColumns(); }
          else if (x.notice) sql.notes.push(x.notice);
          else if (x.error) sql.fault = x.error;
          else if (x.done) sql.tags.push(x.done.tag);
        }
        function stopSQL() { if (sql.abort) { sql.abort.abort(); sql.abort = null; sql.ended = performance.now(); sql.dirty = true; } }
        const isNumber = c => /^(SMALLINT|INTEGER|BIGINT|REAL|DOUBLE|DECIMAL|NUMERIC|INT|FLOAT)/i.test(c.type), isTime = c => /^(TIMESTAMP|DATE)/i.test(c.type), isText = c => /^(VARCHAR|TEXT|CHAR)/i.test(c.type) && c.name !== 'op';
        // What an anomaly function says beside a value, by the names of columns, or of the fields of a ROW.
        const said = ['low', 'high', 'expected', 'grade'], sayings = new Set([...said, 'score']);
        function findSayings() {
          sql.sayings = {};
          for (const name of said) {
            let i = sql.columns.findIndex(c => c.name.toLowerCase() === name && isNumber(c)), read = null;
            if (i >= 0) read = r => r[i];
            else if ((i = sql.columns.findIndex(c => new RegExp('^ROW<(.*, )?"?' + name + '"? (SMALLINT|INTEGER|BIGINT|REAL|DOUBLE|DECIMAL)', 'i').test(c.type))) >= 0) read = r => { const o = r[i], k = o && Object.keys(o).find(k => k.toLowerCase() === name); return k === undefined || k === null ? null : o[k]; };
            if (read) sql.sayings[name] = read;
          }
        }
        function saying(r) {
          if (!Object.keys(sql.sayings).length) return undefined;
          return Object.fromEntries(said.map(name => { const v = sql.sayings[name] ? sql.sayings[name](r) : null; return [name, v === null || v === undefined || isNaN(Number(v)) ? null : Number(v)]; }));
        }
        function chooseColumns() {
          findSayings();
          const t = sql.columns.findIndex(isTime), n = sql.columns.map((c, i) => [c, i]).filter(([c]) => isNumber(c));
          const best = n.filter(([c]) => !sayings.has(c.name.toLowerCase()) && !/(^|_)id$|^(auction|bidder|seller|person|category)$/i.test(c.name)).pop() || n.pop();
          sql.x = t < 0 ? '' : String(t); sql.y = best ? String(best[1]) : '';
          // One text beside time and numbers is most likely what the rows are grouped by.
          const texts = sql.columns.map((c, i) => [c, i]).filter(([c]) => isText(c));
          sql.by = t >= 0 && texts.length === 1 ? String(texts[0][1]) : '';
        }
        function showSQL(main, options) {
          if (options.has('run') || options.has('text')) { sql.text = options.get('run') || options.get('text'); history.replaceState(null, '', '#/sql'); if (options.has('run')) setTimeout(runSQL); }
          const text = h('textarea', { id: 'sql-text', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', 'aria-label': 'SQL statements', rows: 6, onkeydown: e => {
            if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); runSQL(); }
            if (e.key === 'Escape' && sql.abort) { e.preventDefault(); stopSQL(); } }, oninput: e => { sql.text = e.target.value; sessionStorage.setItem('sql', sql.text); } });
          text.value = sql.text;
          const pick = h('select', { 'aria-label': 'Examples', onchange: e => { const x = examples()[e.target.value]; if (x) { text.value = sql.text = x[1]; text.focus(); } e.target.value = ''; } }, h('option', { value: '' }, 'Examples'), examples().map((x, i) => h('option', { value: i }, x[0])));
          sql.view = { run: h('button', { class: 'button primary', type: 'button', onclick: runSQL }, 'Run', h('kbd', {}, 'Ctrl ↵')), stop: h('button', { class: 'button', type: 'button', onclick: stopSQL }, 'Stop', h('kbd', {}, 'Esc')), state: h('span', { class: 'end', role: 'status' }), notes: h('div'), result: h('section', { class: 'panel', hidden: true }), chart: h('section', { class: 'panel', hidden: true }), columns: null, svg: null };
          put(main, h('div', { class: 'title' }, h('h1', {}, 'SQL')),
            h('section', { class: 'panel' }, h('div', { class: 'editor' }, text), h('div', { class: 'tools' }, sql.view.run, sql.view.stop, pick, sql.view.state), sql.view.notes), sql.view.chart, sql.view.result,
            h('p', { class: 'hint' }, 'SELECT reads what is there and ends; SELECT STREAM goes on until it is stopped. The last ' + SHOWN + ' rows are shown, the last ' + KEPT + ' drawn.'));
          sql.dirty = true;
          paintSQL();
          if (!options.has('run')) text.focus({ preventScroll: true });
        }
        function cell(v) { return v === null ? 'NULL' : typeof v === 'object' ? JSON.stringify(v) : String(v); }
        function paintSQL() {
          const v = sql.view;
          if (!v || !v.run.isConnected) return;
          v.stop.disabled = !sql.abort;
          if (sql.started) {
            const seconds = ((sql.ended || performance.now()) - sql.started) / 1000;
            put(v.state, sql.abort && sql.live ? h('span', { class: 'live' }, 'live') : sql.abort ? 'running' : '', ' ', [sql.columns.length ? plural(sql.seen, 'row') : sql.tags[sql.tags.length - 1], seconds < 60 ? seconds.toFixed(seconds < 1 ? 3 : 1) + ' s' : span(seconds * 1000)].filter(Boolean).join(' · '));
          }
          if (!sql.dirty) return;
          sql.dirty = false;
          put(v.notes, sql.notes.map(n => h('p', { class: 'note' }, n)), sql.fault && h('div', { class: 'fault', role: 'alert' }, h('pre', {}, sql.fault.text || ((sql.fault.code ? sql.fault.code + ': ' : '') + sql.fault.message + (sql.fault.hint ? '\nhint: ' + sql.fault.hint : '')))));
          v.result.hidden = !sql.columns.length;
          if (sql.columns.length) {
            const op = sql.columns.length && sql.columns[sql.columns.length - 1].name === 'op' ? sql.columns.length - 1 : -1, shown = sql.live ? sql.rows.slice(-SHOWN).reverse() : sql.rows.slice(0, SHOWN);
            put(v.result, h('header', {}, h('h2', {}, 'Rows'), h('span', { class: 'faint' }, sql.live ? 'newest first' : sql.seen > SHOWN ? 'the first ' + SHOWN + ' of ' + number(sql.seen) : '')),
              h('div', { class: 'rows', tabindex: 0, 'data-key': 'rows', 'data-scroll': 'rows', role: 'region', 'aria-label': 'Rows' }, h('table', {}, h('thead', {}, h('tr', {}, sql.columns.map(c => h('th', { class: isNumber(c) ? 'num' : null, scope: 'col' }, c.name, h('small', {}, c.type.toLowerCase()))))),
                h('tbody', {}, shown.map(r => h('tr', { class: op >= 0 && /^-/.test(r[op]) ? 'minus' : null }, sql.columns.map((c, i) => h('td', { class: r[i] === null ? 'null' : isNumber(c) ? 'num' : null, title: cell(r[i]).length > 48 ? cell(r[i]) : null }, cell(r[i])))))))));
          }
          paintChart(v);
        }
        function paintChart(v) {
          const numeric = sql.columns.some(isNumber);
          v.chart.hidden = !numeric || sql.rows.length < 2 || sql.y === '';
          if (v.chart.hidden) { v.columns = null; return; }
          const signature = JSON.stringify(sql.columns);
          if (v.columns !== signature) {
            v.columns = signature;
            const choose = (label, key, test, none) => h('label', {}, label, h('select', { 'data-key': 'c' + key, onchange: e => { sql[key] = e.target.value; sql.dirty = true; paintSQL(); } }, none && h('option', { value: '' }, none), sql.columns.map((c, i) => test(c) && h('option', { value: i, selected: sql[key] === String(i) }, c.name))));
            v.svg = s('svg', { class: 'chart', role: 'img', 'aria-label': 'Chart of a column over time' });
            v.keys = h('div', { class: 'keys' });
            put(v.chart, h('header', {}, h('h2', {}, 'Chart')), h('div', { class: 'chart-tools' }, choose('Value', 'y', isNumber), choose('over', 'x', isTime, 'order of arrival'), choose('by', 'by', c => isText(c) || isNumber(c), 'nothing')), v.svg, v.keys);
          }
          const op = sql.columns.findIndex(c => c.name === 'op'), rows = op >= 0 ? sql.rows.filter(r => !/^-/.test(r[op])) : sql.rows, first = sql.seen - sql.rows.length, groups = new Map();
          rows.forEach((r, i) => {
            const y = Number(r[sql.y]), x = sql.x === '' ? first + i : time(r[sql.x]);
            if (r[sql.y] === null || isNaN(y) || isNaN(x)) return;
            const key = sql.by === '' ? '' : cell(r[sql.by]);
            if (!groups.has(key)) groups.set(key, []);
            groups.get(key).push([x, y, saying(r)]);
          });
          let series = [...groups].map(([name, points]) => ({ name, points })).sort((a, b) => b.points.length - a.points.length || (a.name < b.name ? -1 : 1));
          const left = series.length - 6;
          series = series.slice(0, 6);
          if (sql.x !== '') for (const one of series) one.points.sort((a, b) => a[0] - b[0]);
          drawChart(v.svg, series, sql.x !== '');
          put(v.keys, sql.by === '' ? null : series.map((one, i) => { const mark = h('i'); mark.style.background = `var(--s${i + 1})`; return h('span', {}, mark, one.name); }), sql.sayings.low && sql.sayings.high && h('span', { class: 'faint' }, 'shaded: expected range'), sql.sayings.grade && h('span', { class: 'faint' }, 'ringed: grade above 0'), left > 0 && h('span', { class: 'faint' }, `and ${left} more`));
        }

        """#

    static let frame = #"""
        const alerts = { board: { alerts: [], silences: [], notifiers: [] }, source: null, rows: [], said: '' };
        // The stream says that something has happened; what is the case is asked for.
        function listenToAlerts() {
          if (alerts.source || !model.streams.some(x => x.name === 'alerts' && x.log)) return;
          alerts.source = new EventSource('/v1/streams/alerts?from=TRIM_HORIZON');
          let asked = 0;
          alerts.source.onmessage = e => {
            alerts.rows.push(JSON.parse(e.data)); if (alerts.rows.length > 500) alerts.rows.shift();
            clearTimeout(asked); asked = setTimeout(async () => { await readAlerts(); if (route().view === 'alerts') render(); }, 50);
          };
        }
        async function readAlerts() {
          try { alerts.board = await get('/v1/alerts'); } catch { return; }
          const firing = alerts.board.alerts.filter(a => a.state === 'firing').length, n = $('#alert-count');
          n.hidden = !firing; n.textContent = firing;
        }
        async function act(path, method, body, said) {
          try {
            const r = await fetch(path, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) }), answer = await r.json().catch(() => null);
            alerts.said = r.ok ? said : answer && answer.error ? answer.error.message : 'status ' + r.status;
          } catch { alerts.said = 'no answer'; }
          await readAlerts(); render();
        }
        const pairs = object => Object.entries(object || {}).map(([k, v]) => k + '=' + v).join(', ');
        const asked = text => { const answer = prompt(text, ''); return answer === null ? null : answer; };
        function silenceAlert(a) {
          const comment = asked(`Silence ${a.alert} ${pairs(a.keys)} for 2 hours. Why?`);
          if (comment !== null) act('/v1/silences', 'POST', { alert: a.alert, labels: a.keys, seconds: 7200, comment }, 'Silenced for 2 hours.');
        }
        function acknowledgeAlert(a) {
          const comment = asked(`Acknowledge ${a.alert} ${pairs(a.keys)}. Anything to say?`);
          if (comment !== null) act('/v1/acknowledgements', 'POST', { alert: a.alert, instance: a.instance, comment }, 'Acknowledged.');
        }
        function alertTable(list) {
          const labels = ['', 'State', 'Since', 'Severity', 'Values', 'Quiet', ''];
          return h('div', { class: 'scroll' }, h('table', { class: 'cards' },
            h('thead', {}, h('tr', {}, labels.map((t, i) => h('th', { scope: 'col' }, i ? t : 'Alert')))),
            h('tbody', {}, list.map(a => {
              const quiet = [...a.silenced_by.map(id => 'silence ' + id), a.inhibited_by && 'inhibited by ' + a.inhibited_by, a.acknowledged_by !== null && 'acknowledged by ' + a.acknowledged_by + (a.acknowledgement ? ': ' + a.acknowledgement : '')].filter(Boolean).join('; ');
              const key = a.alert + '/' + a.instance;
              return cells(labels, { 'data-alert': key }, [
                { a: { class: 'wide' }, c: [h('b', {}, a.alert), ' ', h('span', { class: 'soft' }, pairs(a.keys)), a.annotations.summary && h('div', { class: 'faint' }, a.annotations.summary)] },
                pill(a.state), h('span', { title: a.since }, ago(time(a.since))), a.severity || '', { a: { class: 'mono soft' }, c: pairs(a.values) }, quiet,
                h('span', { class: 'actions' }, a.state === 'firing' && a.acknowledged_by === null && h('button', { class: 'button', type: 'button', 'data-key': 'ack' + key, onclick: () => acknowledgeAlert(a) }, 'Acknowledge'), ' ',
                  a.state !== 'resolved' && !a.silenced_by.length && h('button', { class: 'button', type: 'button', 'data-key': 'sil' + key, onclick: () => silenceAlert(a) }, 'Silence'))]);
            }))));
        }
        function showAlerts(main) {
          const b = alerts.board, has = model.streams.some(x => x.name === 'alerts' && x.log), columns = has ? model.streams.find(x => x.name === 'alerts').columns : [];
          const table = (labels, rows) => h('div', { class: 'scroll' }, h('table', { class: 'cards' }, h('thead', {}, h('tr', {}, labels.map(t => h('th', { scope: 'col' }, t)))), h('tbody', {}, rows)));
          put(main, h('div', { class: 'title' }, h('h1', {}, 'Alerts'), h('p', { class: 'soft', role: 'status' }, alerts.said)),
            h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Now'), h('span', { class: 'faint' }, 'firing, pending, lately resolved')),
              b.alerts.length ? alertTable(b.alerts) : h('p', { class: 'empty' }, has ? 'Nothing fires.' : ['No alert rule is in place. ', h('code', {}, 'CREATE ALERT name AS SELECT …'), ' makes one; ', h('a', { href: '#/sql' }, 'try it'), '.'])),
            b.silences.length > 0 && h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Silences')), table(['Silence', 'Until', 'Comment', ''], b.silences.map(x => cells(['', 'Until', 'Comment', ''], {}, [
              x.id + ': ' + x.selector, x.until, [x.fault && h('strong', {}, 'Keeps nobody quiet: ' + x.fault + '. '), x.comment, x.author && h('span', { class: 'faint' }, ' ' + x.author)], h('button', { class: 'button', type: 'button', 'data-key': 'un' + x.id, onclick: () => act('/v1/silences/' + x.id, 'DELETE', null, 'The silence has ended.') }, 'End it')])))),
            b.notifiers.length > 0 && h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Notifiers')), table(['Notifier', 'State', 'Delivered', 'Failed', 'Dead letters', 'Quiet', 'Waiting', 'Last error'], b.notifiers.map(x => cells(['', 'State', 'Delivered', 'Failed', 'Dead letters', 'Quiet', 'Waiting', 'Last error'], {}, [
              [h('b', {}, x.name), ' ', h('span', { class: 'soft' }, x.type)], pill(x.state), number(x.delivered), number(x.failed), number(x.dead_letters), number(x.suppressed), number(x.waiting + x.behind), x.last_error || ''])))),
            has && h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Transitions'), h('span', { class: 'faint' }, 'from the stream alerts, the newest first')),
              alerts.rows.length ? h('div', { class: 'rows', 'data-scroll': 'alerts', tabindex: 0, 'data-key': 'rows' }, h('table', {}, h('thead', {}, h('tr', {}, columns.map(c => h('th', { scope: 'col' }, c.name)))), h('tbody', {}, alerts.rows.slice(-200).reverse().map(r => h('tr', {}, columns.map(c => h('td', {}, cell(r[c.name] === undefined ? null : r[c.name])))))))) : h('p', { class: 'empty' }, 'No alert has been raised.')));
        }
        let shownRoute = null;
        function route() {
          const [path, options] = (location.hash.slice(1) || '/').split('?'), parts = path.split('/').filter(Boolean).map(p => { try { return decodeURIComponent(p); } catch { return p; } });
          return { view: parts[0] || 'overview', name: parts[1], options: new URLSearchParams(options || '') };
        }
        function render(isNew) {
          const r = route(), main = $('#main');
          for (const a of document.querySelectorAll('nav a')) { if (a.dataset.tab === (r.view === 'sql' || r.view === 'alerts' ? r.view : 'overview')) a.setAttribute('aria-current', 'page'); else a.removeAttribute('aria-current'); }
          document.title = (r.name || { overview: 'Overview', sql: 'SQL', alerts: 'Alerts' }[r.view] || '') + ' · Millrace';
          if (r.view === 'sql') { if (isNew || !sql.view || !sql.view.run.isConnected) showSQL(main, r.options); else paintSQL(); }
          else if (r.view === 'alerts') showAlerts(main);
          else if (r.view === 'queries' && r.name) showQuery(main, r.name);
          else if (r.view === 'streams' && r.name) showStream(main, r.name);
          else if (model.loaded || isNew) showOverview(main);
        }
        async function navigate() {
          const r = route(), key = r.view + '/' + (r.name || '');
          if (key !== shownRoute) { selectedNode = null; model.detail = model.detailBefore = null; window.scrollTo(0, 0); }
          const isNew = key !== shownRoute || r.options.has('run') || r.options.has('text');
          shownRoute = key;
          render(isNew);
          if (isNew && r.view === 'queries') { await readDetail(); render(); }
        }
        async function readDetail() {
          const r = route();
          if (r.view !== 'queries' || !r.name) return;
          try { const q = await get('/v1/queries/' + encodeURIComponent(r.name)); model.detailBefore = model.detail && model.detail.name === q.name ? model.detail : null; model.detail = q; } catch { model.detail = null; }
        }
        async function beat() {
          if (!document.hidden) { await Promise.all([refresh(), readDetail()]); listenToAlerts(); if (model.streams.some(x => x.name === 'alerts')) await readAlerts(); if (route().view !== 'sql') render(); }
          setTimeout(beat, 1000);
        }
        function setTheme(name) { if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme; }
        setTheme(localStorage.getItem('theme'));
        function switchTheme() {
          const now = document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'), next = now === 'dark' ? 'light' : 'dark';
          localStorage.setItem('theme', next); setTheme(next);
        }
        $('#theme').addEventListener('click', switchTheme);
        function help() {
          const rows = [['g o', 'overview'], ['g s', 'SQL'], ['g a', 'alerts'], ['Ctrl ↵', 'run the statement'], ['Esc', 'stop it'], ['t', 'light or dark'], ['?', 'this list']];
          const d = h('dialog', { 'aria-label': 'Keys', onclose: e => e.target.remove() }, h('h2', {}, 'Keys'), h('dl', {}, rows.map(r => [h('dt', {}, h('kbd', {}, r[0])), h('dd', {}, r[1])])), h('button', { class: 'button', type: 'button', onclick: () => d.close() }, 'Close'));
          document.body.append(d); d.showModal();
        }
        let prefix = 0;
        addEventListener('keydown', e => {
          if (e.ctrlKey || e.metaKey || e.altKey || /^(TEXTAREA|INPUT|SELECT)$/.test(e.target.tagName)) return;
          const after = performance.now() - prefix < 1200; prefix = 0;
          if (after && 'osa'.includes(e.key)) { location.hash = { o: '#/', s: '#/sql', a: '#/alerts' }[e.key]; e.preventDefault(); }
          else if (e.key === 'g') prefix = performance.now();
          else if (e.key === 't') switchTheme();
          else if (e.key === '?') help();
          else if (e.key === 'Escape' && sql.abort) stopSQL();
        });
        addEventListener('hashchange', navigate);
        let resizing = 0;
        addEventListener('resize', () => { clearTimeout(resizing); resizing = setTimeout(() => { sql.dirty = true; render(); }, 120); });
        setInterval(() => { if (route().view === 'sql') paintSQL(); }, 250);
        refresh().then(async () => { await readDetail(); await navigate(); setTimeout(beat, 1000); });

        """#
}
