#include "tools/launch/substitution.hpp"

#include <cstdlib>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "launch_support.hpp"

using launch_test::error_of;
using sluice::launch::Scope;
using sluice::launch::Text;

namespace {

Scope demo_scope() {
  Scope scope({"/demo dir", "/demo dir/demo.yaml", "/demo dir/share"});
  scope.set_variable("rate", "10");
  scope.set_variable("name", "rate");
  scope.set_variable("spaced", "a b");
  scope.set_variable("empty", "");
  scope.set_environment("SET_HERE", "yes");
  return scope;
}

Text text(const std::string& value) { return {value, {"demo.yaml", 3, 7}}; }
std::string expanded(const std::string& value) { return sluice::launch::expand(text(value), demo_scope()); }
std::string expand_error(const std::string& value) {
  return error_of([&] { (void)expanded(value); });
}

using Words = std::vector<std::string>;
Words words(const std::string& value) { return sluice::launch::expand_words(text(value), demo_scope()); }
std::string words_error(const std::string& value) {
  return error_of([&] { (void)words(value); });
}

}  // namespace

TEST_CASE("text without substitutions stays as it is", "[launch]") {
  CHECK(expanded("") == "");
  CHECK(expanded("a 'b' \"c\" (d) \\e") == "a 'b' \"c\" (d) \\e");
  CHECK(expanded("5$ $HOME") == "5$ $HOME");
  CHECK(expanded("\\$(var rate) \\$") == "$(var rate) $");
}

TEST_CASE("variables, environment and directory", "[launch]") {
  CHECK(expanded("x$(var rate)y$(var rate)") == "x10y10");
  CHECK(expanded("$(dirname)/a.yaml") == "/demo dir/a.yaml");
  CHECK(expanded("$(env SET_HERE)") == "yes");
  ::setenv("SLUICE_TEST_INHERITED", "from outside", 1);
  CHECK(expanded("$(env SLUICE_TEST_INHERITED)") == "from outside");
  CHECK(expanded("$(env SLUICE_TEST_ABSENT fallback)") == "fallback");
  CHECK(expanded("$(var absent 7)") == "7");
  CHECK(expanded("$(var rate 7)") == "10");
}

TEST_CASE("substitutions nest and their arguments can be quoted", "[launch]") {
  CHECK(expanded("$(var $(var name))") == "10");
  CHECK(expanded("$(var absent $(dirname)/$(var rate))") == "/demo dir/10");
  CHECK(expanded("$(var absent 'a b')") == "a b");
  CHECK(expanded("$(var absent \"a \\\"b\\\" $(var rate)\")") == "a \"b\" 10");
  CHECK(expanded("$(var absent '')") == "");
  CHECK(expanded("$(var absent a\\)b)") == "a)b");
  CHECK(expanded("$(var  rate   )") == "10");
}

TEST_CASE("the file and the packages of the installation", "[launch]") {
  CHECK(expanded("$(filename)") == "/demo dir/demo.yaml");
  CHECK(expand_error("$(find-pkg-share nav)") ==
        "demo.yaml:3:7: there is no package 'nav': looked for the directory '/demo dir/share/nav'");
  const launch_test::Files files;
  files.add("share/sluice/x.yaml", 0644);
  files.add("share/file", 0644);
  const auto find = [&](const std::string& package) {
    const auto plan = files.plan("launch:\n  - log: {message: $(find-pkg-share " + package + ")/x.yaml}");
    return launch_test::messages(plan).at(0);
  };
  CHECK(find("sluice") == files.at("share/sluice/x.yaml"));
  CHECK(error_of([&] { (void)find("sluce"); }) ==
        "demo.yaml:2:20: there is no package 'sluce': looked for the directory '" + files.at("share/sluce") +
            "'; did you mean 'sluice'?");
  for (const char* wrong : {"..", "''", "file", "sluice/.."}) {
    CHECK(error_of([&] { (void)find(wrong); }).find("there is no package '") != std::string::npos);
  }
}

TEST_CASE("expressions see values, as text", "[launch]") {
  CHECK(expanded("$(eval 1 + 2)") == "3");
  CHECK(expanded("x$(eval (1 + 2) * $(var rate))y") == "x30y");
  CHECK(expanded("$(eval '$(var rate) > 5')") == "true");
  CHECK(expanded("$(eval \"'$(var spaced)' == 'a b'\")") == "true");
  CHECK(expanded("$(eval '\"$(var spaced)\" == \"a b\"')") == "true");
  CHECK(expanded("$(eval \"\\\"$(var spaced)\\\" == \\\"a b\\\"\")") == "true");
  CHECK(expanded("$(eval 'a)' == 'a)')") == "true");
  CHECK(expanded("$(eval not $(eval 1 == 2))") == "true");
  CHECK(expanded("$(eval '$(var absent 'x y')' == 'x y')") == "true");
  CHECK(expanded("$(var absent $(eval 2 * 3))") == "6");
  CHECK(expand_error("$(eval 1 +)") ==
        "demo.yaml:3:7: $(eval): a value is missing, at character 4 of the expression '1 +'");
  CHECK(expand_error("$(eval)") == "demo.yaml:3:7: $(eval): a value is missing, at character 1 of the expression ''");
  for (const char* unclosed :
       {"$(eval 1 + 2", "$(eval (1 + 2)", "$(eval 'a)", "$(eval '\\", "$(eval '$(", "$(eval '"}) {
    INFO(unclosed);
    CHECK(expand_error(unclosed).rfind("demo.yaml:3:7: ", 0) == 0);
  }
}

TEST_CASE("a value cannot end the quotes of an expression", "[launch]") {
  Scope scope = demo_scope();
  scope.set_variable("hostile", "' or true or '\\");
  CHECK(sluice::launch::expand(text("$(eval '$(var hostile)' == 'x')"), scope) == "false");
  CHECK(sluice::launch::expand(text("$(eval \"'$(var hostile)' == 'x'\")"), scope) == "false");
}

TEST_CASE("comparisons and conclusions without an expression", "[launch]") {
  CHECK(expanded("$(equals a a) $(equals a b) $(equals $(var rate) 10.0) $(equals True 1)") == "true false true true");
  CHECK(expanded("$(not-equals a a) $(not-equals 'a b' $(var spaced)) $(not-equals 1 2)") == "false false true");
  CHECK(expanded("$(not true) $(not 0) $(not False)") == "false true true");
  CHECK(expanded("$(and true 1) $(and true false) $(and true true 0)") == "true false false");
  CHECK(expanded("$(or false 0) $(or false true) $(or false false 1)") == "false true true");
  CHECK(expanded("$(and $(equals a a) $(not $(equals a b)))") == "true");
  CHECK(expand_error("$(not yes)") == "demo.yaml:3:7: $(not) needs true, 1, false or 0, not 'yes'");
  CHECK(expand_error("$(and true maybe)") == "demo.yaml:3:7: $(and) needs true, 1, false or 0, not 'maybe'");
  CHECK(expand_error("$(or true maybe)") == "demo.yaml:3:7: $(or) needs true, 1, false or 0, not 'maybe'");
  CHECK(expand_error("$(equals a)").find("it is written $(equals A B)") != std::string::npos);
}

TEST_CASE("errors of substitutions name the place and the remedy", "[launch]") {
  CHECK(expand_error("$(var rat)") == "demo.yaml:3:7: undefined variable 'rat'; did you mean 'rate'?");
  CHECK(expand_error("$(vars rate)") == "demo.yaml:3:7: unknown substitution 'vars'; did you mean 'var'?");
  CHECK(expand_error("$(frobnicate)") ==
        "demo.yaml:3:7: unknown substitution 'frobnicate'; known are and, dirname, env, equals, eval, filename, "
        "find-pkg-share, not, not-equals, or, var");
  CHECK(expand_error("$(env SLUICE_TEST_ABSENT)") ==
        "demo.yaml:3:7: environment variable 'SLUICE_TEST_ABSENT' is not set; set it or write $(env "
        "SLUICE_TEST_ABSENT DEFAULT)");
  CHECK(expand_error("$(var absent a b)") ==
        "demo.yaml:3:7: wrong number of arguments for $(var): 3 given, it is written $(var NAME [DEFAULT]); a value "
        "with spaces needs quotes");
  CHECK(expand_error("a$(var rate") == "demo.yaml:3:7: '$(var' is not closed in 'a$(var rate'");
  CHECK(expand_error("$(var 'rate)") == "demo.yaml:3:7: the quote ' is not closed in '$(var 'rate)'");
  CHECK(expand_error("$( var rate)") ==
        "demo.yaml:3:7: '$(' is not followed by the name of a substitution; write '\\$(' for the characters in '$( var "
        "rate)'");
}

TEST_CASE("hostile nesting is an error and not a crash", "[launch]") {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "$(var ";
  CHECK(expand_error(deep).find("nested more than 64 deep") != std::string::npos);
}

TEST_CASE("words are split like in a shell, before expansion", "[launch]") {
  CHECK(words("") == Words{});
  CHECK(words("  a  b\tc\n") == Words{"a", "b", "c"});
  CHECK(words("'a b' \"c d\" e\\ f g'h'\"i\"") == Words{"a b", "c d", "e f", "ghi"});
  CHECK(words("'' \"\"") == Words{"", ""});
  CHECK(words("'\\n' \"\\\"\\\\\\$\\n\"") == Words{"\\n", "\"\\$\\n"});
  CHECK(words("--x $(var spaced) y") == Words{"--x", "a b", "y"});
  CHECK(words("--x=$(var spaced) '$(var rate) z'") == Words{"--x=a b", "10 z"});
  CHECK(words("$(var absent 'p q') r") == Words{"p q", "r"});
  CHECK(words("a $(var empty) '$(var empty)' b") == Words{"a", "", "b"});
  CHECK(words("\\$(dirname\\)") == Words{"$(dirname)"});
  CHECK(words_error("a 'b") == "demo.yaml:3:7: the quote ' is not closed in 'a 'b'");
}

TEST_CASE("booleans are read leniently", "[launch]") {
  const auto read = [](const std::string& value) {
    return sluice::launch::expand_bool(text(value), demo_scope(), "'if'");
  };
  for (const char* yes : {"true", "True", "1", " TRUE "}) CHECK(read(yes));
  for (const char* no : {"false", "False", "0", "$(var absent false)"}) CHECK_FALSE(read(no));
  CHECK(error_of([&] { (void)read("yes"); }) == "demo.yaml:3:7: 'if' must be true, 1, false or 0, not 'yes'");
  CHECK(error_of([&] { (void)read(""); }) == "demo.yaml:3:7: 'if' must be true, 1, false or 0, not ''");
}

TEST_CASE("words are quoted for display only if needed", "[launch]") {
  using sluice::launch::shell_quoted;
  CHECK(shell_quoted("--x=/a/b:=1") == "--x=/a/b:=1");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("a b") == "'a b'");
  CHECK(shell_quoted("it's") == "'it'\\''s'");
}
