/* Sum and count of a summary of percentiles, which the statistics of its command have. */
#include "exposition_reply.h"

#include <string.h>

#define MAX_STEPS 100000 /* comparisons of names of commands */
#define FEW_MAPS 64

int
store_command(Writing *writing, const Command *command)
{
    if (writing->lacks_command) { /* its summary may have been written without totals */
        return CONFLICT;
    }
    if (writing->command_count == writing->command_size) {
        Py_ssize_t size = 2 * writing->command_size + FEW_MAPS;
        Command *commands = PyMem_Realloc(writing->commands, (size_t)size * sizeof *commands);
        if (commands == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
        writing->commands = commands;
        writing->command_size = size;
    }
    writing->commands[writing->command_count++] = *command;
    return DONE;
}

/* Find the statistics of a command; NULL if there are none so far, or after too many steps. */
static const Command *
find_command(Writing *writing, Span name)
{
    Py_ssize_t tried, size = name.end - name.start;

    for (tried = 0; tried < writing->command_count; tried++) {
        Py_ssize_t index = writing->next_command + tried; /* both lists have one order */
        const Command *command;
        index -= index >= writing->command_count ? writing->command_count : 0;
        command = writing->commands + index;
        writing->steps++;
        if (command->name.end - command->name.start == size &&
            memcmp(command->name.start, name.start, (size_t)size) == 0) {
            writing->next_command = index + 1 == writing->command_count ? 0 : index + 1;
            return command;
        }
    }
    return NULL;
}

/* Write the sum and the count of a summary. */
int
write_totals(Writing *writing, Span name)
{
    const Command *command = find_command(writing, name);
    Span none = {"", ""};
    int index;

    if (writing->steps > MAX_STEPS) {
        return CONFLICT;
    }
    if (command == NULL) {
        writing->lacks_command = 1;
        return DONE;
    }
    if (command->is_left) {
        return CONFLICT;
    }
    for (index = 0; index < 2; index++) {
        Span value = index == 0 ? command->usec : command->calls;
        NumberText number;
        if (writing->plan->totals[index] == NO_FAMILY || value.start == value.end) {
            continue;
        }
        if (format_number(value, 0, &number) != 1) {
            return PyErr_Occurred() ? FAILED : CONFLICT;
        }
        if (!lines_add_part(writing->lines, writing->plan->totals[index], PERCENTILES, name, none,
                            &number)) {
            return FAILED;
        }
    }
    return DONE;
}
