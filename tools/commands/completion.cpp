#include "commands/completion.hpp"

#include <iostream>

namespace sluice::commands {

namespace {

/// Nothing that a name might contain is ever evaluated: `compgen -W` would.
constexpr const char* kBash = R"shell(
_sluice() {
  local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]}
  local command='' expected='' node='' kind word position=0 k
  local -a options=()
  program=${program/#\~\//$HOME/}
  for ((k = 1; k < COMP_CWORD; ++k)); do
    word=${COMP_WORDS[k]}
    if [[ $word == '=' ]]; then
      continue
    elif [[ -n $expected ]]; then
      if [[ $expected == configuration ]]; then options+=(--config "${word/#\~\//$HOME/}"); fi
      expected=''
    elif [[ $word == -* ]]; then
      expected=$(_sluice_value "$command" "$word")
    elif [[ $'\n'$(_sluice_subcommands "$command") == *$'\n'"$word"$'\t'* ]]; then
      command=${command:+$command }$word
    else
      if [[ $(_sluice_positional "$command" "$position") == node ]]; then node=$word; fi
      ((++position))
    fi
  done
  if [[ $current == '=' ]]; then current=''; fi
  if [[ -n $expected ]]; then
    kind=$expected
  elif [[ $current == -* ]]; then
    kind=flag
  elif [[ -n $(_sluice_subcommands "$command") ]]; then
    kind=subcommand
  else
    kind=$(_sluice_positional "$command" "$position")
  fi
  COMPREPLY=()
  if [[ $kind == file || $kind == configuration ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
    return
  fi
  while IFS= read -r word; do
    word=${word%%$'\t'*}
    if [[ -n $current && $current != /* ]]; then word=${word#/}; fi
    if [[ $word == "$current"* ]]; then COMPREPLY+=("$(printf '%q' "$word")"); fi
  done < <(_sluice_candidates "$kind" "$command" "$program" "$node" "${options[@]}")
}
complete -F _sluice sluice
)shell";

constexpr const char* kZsh = R"shell(
_sluice() {
  emulate -L zsh
  local program=${words[1]} current=${words[CURRENT]}
  local command='' expected='' node='' kind word position=0 k
  local -a options candidates
  program=${program/#\~\//$HOME/}
  for ((k = 2; k < CURRENT; ++k)); do
    word=${words[k]}
    if [[ -n $expected ]]; then
      if [[ $expected == configuration ]]; then options+=(--config "${word/#\~\//$HOME/}"); fi
      expected=''
    elif [[ $word == -* ]]; then
      expected=$(_sluice_value "$command" "$word")
    elif [[ $'\n'$(_sluice_subcommands "$command") == *$'\n'"$word"$'\t'* ]]; then
      command=${command:+$command }$word
    else
      if [[ $(_sluice_positional "$command" "$position") == node ]]; then node=$word; fi
      ((++position))
    fi
  done
  if [[ -n $expected ]]; then
    kind=$expected
  elif [[ $current == --*=* ]]; then
    kind=$(_sluice_value "$command" "${current%%=*}")
    current=${current#*=}
    compset -P '*='
  elif [[ $current == -* ]]; then
    kind=flag
  elif [[ -n $(_sluice_subcommands "$command") ]]; then
    kind=subcommand
  else
    kind=$(_sluice_positional "$command" "$position")
  fi
  if [[ $kind == file || $kind == configuration ]]; then
    _files
    return
  fi
  while IFS= read -r word; do
    if [[ -n $current && $current != /* ]]; then word=${word#/}; fi
    word=${word//:/\\:}
    candidates+=("${word/$'\t'/:}")
  done < <(_sluice_candidates "$kind" "$command" "$program" "$node" "${options[@]}")
  _describe "$kind" candidates
}
compdef _sluice sluice
)shell";

void add_shell(CLI::App& completion, const CLI::App& app, const char* shell, const char* use, const char* driver,
               std::function<int()>& command) {
  auto* subcommand = completion.add_subcommand(shell, std::string("Print a script for ") + shell + "; " + use);
  subcommand->callback([&app, &command, driver] {
    command = [&app, driver] {
      std::cout << completion_tables(app) << driver;
      return 0;
    };
  });
}

}  // namespace

void add_completion(CLI::App& app, std::function<int()>& command) {
  auto* completion = app.add_subcommand("completion", "Completion of this command line in a shell");
  completion->require_subcommand(1);
  add_shell(*completion, app, "bash", "in ~/.bashrc: source <(sluice completion bash)", kBash, command);
  add_shell(*completion, app, "zsh", "in ~/.zshrc, after compinit: source <(sluice completion zsh)", kZsh, command);
}

}  // namespace sluice::commands
