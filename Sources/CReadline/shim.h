// What the prompt needs of GNU readline. Readline's global variables are set through functions here, because Swift rightly
// does not let mutable globals of C be touched from anywhere; only the prompt's thread calls these.

#ifndef MILLRACE_READLINE_SHIM_H
#define MILLRACE_READLINE_SHIM_H

#include <stdio.h>
#include <readline/readline.h>
#include <readline/history.h>

static inline void millrace_readline_setup(rl_completion_func_t *complete, const char *wordBreaks) {
    rl_readline_name = "millrace";
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = wordBreaks;
    rl_initialize();
}

/// No file names when our own completion finds nothing.
static inline void millrace_readline_completion_is_over(void) { rl_attempted_completion_over = 1; }

/// The line as typed so far, for completion that depends on what stands before the word.
static inline const char *millrace_readline_line(void) { return rl_line_buffer; }

/// Gives up the line that is being edited, as after an interrupt.
static inline void millrace_readline_abandon_line(void) {
    rl_free_line_state();
    rl_callback_sigcleanup();
    rl_replace_line("", 0);
    rl_callback_handler_remove();
    fputs("^C\n", rl_outstream ? rl_outstream : stdout);
    fflush(rl_outstream ? rl_outstream : stdout);
}

/// Prints whole lines above the one that is being edited, which is then drawn again as it was.
static inline void millrace_readline_print_above(const char *text) {
    rl_clear_visible_line();
    fputs(text, rl_outstream ? rl_outstream : stdout);
    fflush(rl_outstream ? rl_outstream : stdout);
    rl_on_new_line();
    rl_redisplay();
}

#endif
