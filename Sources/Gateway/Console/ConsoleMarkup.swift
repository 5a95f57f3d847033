// The console's page without its style and script.

enum ConsoleMarkup {
    static let head = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Millrace</title>
        <link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='7' fill='%230f766e'/%3E%3Cpath d='M5 12c4-4 7 4 11 0s7 4 11 0M5 20c4-4 7 4 11 0s7 4 11 0' fill='none' stroke='white' stroke-width='2.6' stroke-linecap='round'/%3E%3C/svg%3E">

        """#

    static let body = #"""
        </head>
        <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="bar">
          <a class="brand" href="#/" aria-label="Millrace, overview">
            <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true"><rect class="brand-box" width="32" height="32" rx="7"/><path class="brand-wave" d="M5 12c4-4 7 4 11 0s7 4 11 0M5 20c4-4 7 4 11 0s7 4 11 0"/></svg>
            <span>Millrace</span>
          </a>
          <nav aria-label="Sections">
            <a href="#/" data-tab="overview">Overview</a>
            <a href="#/sql" data-tab="sql">SQL</a>
            <a href="#/alerts" data-tab="alerts">Alerts<span class="count" id="alert-count" hidden></span></a>
          </nav>
          <div class="bar-end">
            <span class="health" id="health" role="status"><i></i><span>connecting</span></span>
            <button class="icon" id="theme" type="button" aria-label="Switch between light and dark" title="Light or dark (t)">
              <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path d="M10 2.5a7.5 7.5 0 1 0 0 15z" fill="currentColor"/><circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="1.6"/></svg>
            </button>
          </div>
        </header>
        <main id="main" tabindex="-1"></main>
        <noscript><p class="empty">The console needs JavaScript. The same figures are at <a href="/v1/status">/v1/status</a> and <a href="/metrics">/metrics</a>.</p></noscript>

        """#
}
