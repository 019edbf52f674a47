#include "tools/launch/expression.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "launch_support.hpp"

using sluice::launch::evaluate_expression;

namespace {

std::string failure(const std::string& expression) {
  return launch_test::error_of([&] { (void)evaluate_expression(expression); });
}

}  // namespace

TEST_CASE("expressions calculate as Python does", "[launch]") {
  CHECK(evaluate_expression("1 + 2 * 3") == "7");
  CHECK(evaluate_expression("(1 + 2) * 3") == "9");
  CHECK(evaluate_expression("10-4-3") == "3");
  CHECK(evaluate_expression("-2 * -(3)") == "6");
  CHECK(evaluate_expression("--2") == "2");
  CHECK(evaluate_expression("4 / 2") == "2.0");
  CHECK(evaluate_expression("1 / 4 + .25") == "0.5");
  CHECK(evaluate_expression("1e-3 * 1000") == "1.0");
  CHECK(evaluate_expression("7 // 2") == "3");
  CHECK(evaluate_expression("-7 // 2") == "-4");
  CHECK(evaluate_expression("-7 % 3") == "2");
  CHECK(evaluate_expression("7 % -3") == "-2");
  CHECK(evaluate_expression("7.5 // 2") == "3.0");
  CHECK(evaluate_expression("'a' + \"b\" + 'it\\'s'") == "abit's");
  CHECK(evaluate_expression("9223372036854775807") == "9223372036854775807");
}

TEST_CASE("expressions compare and conclude", "[launch]") {
  CHECK(evaluate_expression("1 < 2 and 2 <= 2 and 3 > 2 and 2 >= 2 and 1 != 2") == "true");
  CHECK(evaluate_expression("1 == 1.0") == "true");
  CHECK(evaluate_expression("'a' == 'a'") == "true");
  CHECK(evaluate_expression("'a' < 'b' and not 'b' < 'a'") == "true");
  CHECK(evaluate_expression("True == true and False != true") == "true");
  CHECK(evaluate_expression("true or false and false") == "true");
  CHECK(evaluate_expression("(true or false) and false") == "false");
  CHECK(evaluate_expression("not 0 and 1") == "true");
  CHECK(evaluate_expression("not not false") == "false");
}

TEST_CASE("errors in expressions show the place", "[launch]") {
  CHECK(failure("") == "a value is missing, at character 1 of the expression ''");
  CHECK(failure("1 +") == "a value is missing, at character 4 of the expression '1 +'");
  CHECK(failure("1 + * 2") == "expected a value and found '*', at character 5 of the expression '1 + * 2'");
  CHECK(failure("1 2") == "found '2' after the end of the expression, at character 3 of the expression '1 2'");
  CHECK(failure("(1 + 2") == "the parenthesis is not closed, at character 1 of the expression '(1 + 2'");
  CHECK(failure("(1, 2)") == "expected ')' and found ',', at character 3 of the expression '(1, 2)'");
  CHECK(failure("1 + 'a") == "the quote ' is not closed, at character 5 of the expression '1 + 'a'");
  CHECK(failure("1 & 2") == "'&' means nothing here, at character 3 of the expression '1 & 2'");
  CHECK(failure("fast == 'fast'") ==
        "unknown word 'fast'; a text needs quotes, at character 1 of the expression 'fast == 'fast''");
  CHECK(failure("'1' == 1") ==
        "the text '1' cannot be compared with the number 1; texts are in quotes, numbers and truth values are not, at "
        "character 5 of the expression ''1' == 1'");
  CHECK(failure("1 < 2 < 3").rfind("comparisons do not chain; join them with 'and', at character 7", 0) == 0);
  CHECK(failure("1 and 2").rfind("'and' needs true, 1, false or 0 and found the number 2, at character 7", 0) == 0);
  CHECK(failure("not 'a'").rfind("'not' needs true, 1, false or 0 and found the text 'a', at character 5", 0) == 0);
  CHECK(failure("1 + 'a'").rfind("'+' cannot be used with the text 'a', at character 3", 0) == 0);
  CHECK(failure("-'a'").rfind("a sign cannot stand before the text 'a', at character 1", 0) == 0);
  CHECK(failure("1.2.3").rfind("'1.2.3' is not a number, at character 1", 0) == 0);
}

TEST_CASE("numbers that do not fit and hostile nesting are errors", "[launch]") {
  for (const char* expression : {"1 / 0", "1 // 0", "1 % 0", "1.5 / 0.0"}) {
    CHECK(failure(expression).rfind("division by zero, at character ", 0) == 0);
  }
  CHECK(evaluate_expression("(-9223372036854775807 - 1) % -1") == "0");
  for (const char* expression : {"9223372036854775807 + 1", "-9223372036854775807 - 2", "9223372036854775807 * 2",
                                 "(-9223372036854775807 - 1) // -1", "-(-9223372036854775807 - 1)"}) {
    INFO(expression);
    CHECK(failure(expression).rfind("the result does not fit in 64 bits, at character ", 0) == 0);
  }
  CHECK(failure("9223372036854775808").rfind("the number does not fit in 64 bits", 0) == 0);
  for (const char* part : {"(", "-", "not "}) {
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += part;
    CHECK(failure(deep).rfind("nested more than 64 deep", 0) == 0);
  }
}
