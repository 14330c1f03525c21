"""The completion scripts for shells, in place of click's own where these are not enough.

Ids and labels of shards contain `:` and `=`. bash splits words there, so that click would get parts
of words, and bash a completion of the whole word in place of its last part. After the name of a
label no space may follow. In click's script for zsh, the second Tab completes nothing. fish does
all of this by itself, so click's script is used there.
"""

from __future__ import annotations

from typing import Final

BASH: Final = r"""
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} lead word part type value index
    local breaks=${COMP_WORDBREAKS//[^=:]/}
    local -a words=()

    # Join the parts of words that bash has split at : and =.
    for ((index = 0; index <= COMP_CWORD; index++)); do
        lead=${line%%%%[![:space:]]*}
        line=${line#"$lead"}
        part=${COMP_WORDS[index]}
        ((index == COMP_CWORD)) && part=$line
        line=${line#"$part"}
        if [[ -z $lead && $index -gt 0 ]]; then
            words[${#words[@]}-1]+=$part
        else
            words+=("$part")
        fi
    done
    word=${words[${#words[@]}-1]}

    while IFS=',' read -r type value; do
        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            [[ $value == *= ]] && compopt -o nospace
            # bash replaces only what follows the last character at which it has split.
            part=''
            [[ $breaks ]] && part=${word%%"${word##*[$breaks]}"}
            while [[ -n $part && $value != "$part"* ]]; do
                part=${part#*[=:]}
            done
            COMPREPLY+=("${value#"$part"}")
        fi
    done < <(IFS=$'\n'; COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)

    return 0
}

%(complete_func)s_setup() {
    complete -o nosort -F %(complete_func)s %(prog_name)s
}

%(complete_func)s_setup;
"""

ZSH: Final = r"""
#compdef %(prog_name)s

%(complete_func)s() {
    local -a completions
    local -a completions_without_space
    local -a completions_with_descriptions
    local -a response
    local option=
    (( ! $+commands[%(prog_name)s] )) && return 1

    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")

    # The completions of --option=value are values.
    [[ "${words[CURRENT]}" == --*=* ]] && option="${words[CURRENT]%%%%=*}="

    for type key descr in ${response}; do
        if [[ "$type" == "plain" ]]; then
            if [[ "$key" == *= ]]; then
                completions_without_space+=("$option$key")
            elif [[ "$descr" == "_" ]]; then
                completions+=("$option$key")
            else
                completions_with_descriptions+=("$key":"$descr")
            fi
        elif [[ "$type" == "dir" ]]; then
            _path_files -/
        elif [[ "$type" == "file" ]]; then
            _path_files -f
        fi
    done

    if [ -n "$completions_with_descriptions" ]; then
        _describe -V unsorted completions_with_descriptions -U
    fi

    if [ -n "$completions" ]; then
        compadd -U -V unsorted -a completions
    fi

    if [ -n "$completions_without_space" ]; then
        compadd -U -S '' -V unsorted -a completions_without_space
    fi
}

# Also when it is loaded from fpath: without this the second Tab only defines the function again.
compdef %(complete_func)s %(prog_name)s
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
fi
"""

TEMPLATES: Final = {"bash": BASH, "zsh": ZSH}
"""The scripts that differ from click's."""
