#include "commands/payload_layout.hpp"

#include <cstring>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <sluice/error.hpp>

using namespace sluice;
using namespace sluice::commands;
using Alignment = PayloadLayout::Alignment;

namespace {

struct Everything {
  std::uint8_t a;
  std::uint64_t b;
  std::int16_t c[3];
  float d;
  bool e;
  double f[2];
  char g[5];
};

constexpr const char* kEverything = "u8 a; u64 b; i16 c[3]; f32 d; bool e; f64 f[2]; char g[5];";

std::string error_of(const std::string& layout, const std::string& yaml = "{}") {
  try {
    const auto payload = PayloadLayout(layout, Alignment::natural).bytes_of(yaml);
    return "none, " + std::to_string(payload.size());
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a layout lies as a C compiler lays it, or without gaps") {
  const PayloadLayout natural(kEverything, Alignment::natural);
  CHECK(natural.size() == sizeof(Everything));
  CHECK(natural.fields()[1].offset == offsetof(Everything, b));
  CHECK(natural.fields()[3].offset == offsetof(Everything, d));
  CHECK(natural.fields()[5].offset == offsetof(Everything, f));
  CHECK(natural.fields()[6].offset == offsetof(Everything, g));
  CHECK(PayloadLayout(kEverything, Alignment::packed).size() == 1 + 8 + 6 + 4 + 1 + 16 + 5);
}

TEST_CASE("what is said in YAML is what a program finds, and is printed alike") {
  const PayloadLayout layout(kEverything, Alignment::natural);
  const auto bytes = layout.bytes_of(
      "{b: 18446744073709551615, a: 0xff, c: [-1, 2, -32768], d: 0.1, e: true, f: [1, -2.5e300], g: hello}");
  Everything all{};
  REQUIRE(bytes.size() == sizeof all);
  std::memcpy(&all, bytes.data(), sizeof all);
  CHECK(all.a == 255);
  CHECK(all.b == 18446744073709551615U);
  CHECK(all.c[2] == -32768);
  CHECK(all.d == 0.1F);
  CHECK(all.e);
  CHECK(all.f[1] == -2.5e300);
  CHECK(std::string(all.g, 5) == "hello");
  const std::string text =
      "a: 255\nb: 18446744073709551615\nc: [-1, 2, -32768]\nd: 0.1\ne: true\nf: [1, -2.5e+300]\ng: \"hello\"\n";
  CHECK(layout.text_of(bytes) == text);
  CHECK(layout.bytes_of(text) == bytes);
  CHECK(layout.json_of(bytes).dump() ==
        R"({"a":255,"b":18446744073709551615,"c":[-1,2,-32768],"d":0.1,"e":true,"f":[1.0,-2.5e+300],"g":"hello"})");
}

TEST_CASE("what is not named is zero, and text ends at its NUL") {
  const PayloadLayout layout("u16 n; char name[4]; f64 x", Alignment::packed);
  const auto bytes = layout.bytes_of("{name: \"a\\n\", x: .inf}");
  CHECK(layout.text_of(bytes) == "n: 0\nname: \"a\\n\"\nx: .inf\n");
  CHECK(layout.json_of(bytes).dump() == R"({"n":0,"name":"a\n","x":null})");
}

TEST_CASE("bytes that are no UTF-8 are no trouble") {
  const PayloadLayout layout("char a[2]", Alignment::natural);
  const std::vector<std::byte> bytes{std::byte{0xff}, std::byte{0x41}};
  CHECK(layout.text_of(bytes) ==
        "a: \"\xEF\xBF\xBD"
        "A\"\n");
  CHECK(layout.json_of(bytes)["a"] ==
        "\xEF\xBF\xBD"
        "A");
}

TEST_CASE("a message of another size names both") {
  const PayloadLayout layout("u8 a; u32 b", Alignment::natural);
  CHECK_THROWS_WITH(layout.text_of(std::vector<std::byte>(5)),
                    "the message has 5 bytes, but layout 'u8 a; u32 b' has 8 naturally aligned; give --packed");
  CHECK_THROWS_WITH(layout.json_of(std::vector<std::byte>(6)),
                    "the message has 6 bytes, but layout 'u8 a; u32 b' has "
                    "8 naturally aligned; give the layout of what is "
                    "published");
}

TEST_CASE("what is wrong with a layout is said with its column") {
  const std::string types = " (u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, bool, char)";
  CHECK(error_of("") == "layout '', column 1: it has no fields; give some, like 'u64 n; f64 x[3]'");
  CHECK(error_of("u64 n; u46 x") ==
        "layout 'u64 n; u46 x', column 8: there is no type 'u46'; did you mean 'u16'?" + types);
  CHECK(error_of("u8 a;; u8 b") == "layout 'u8 a;; u8 b', column 6: a type is missing" + types);
  CHECK(error_of("u8 a; u8") == "layout 'u8 a; u8', column 9: behind 'u8' the field's name is missing");
  CHECK(error_of("u8 a u8 b") == "layout 'u8 a u8 b', column 6: behind field 'a' ';' is missing");
  CHECK(error_of("u8 a; u8 a") == "layout 'u8 a; u8 a', column 10: there are two fields 'a'");
  CHECK(error_of("u8 a[0]") ==
        "layout 'u8 a[0]', column 6: field 'a': '0' is no number of elements; give one from 1 "
        "to 1073741824");
  CHECK(error_of("u8 a[99999999999999999999]").find("is no number of elements") != std::string::npos);
  CHECK(error_of("u8 a[2") == "layout 'u8 a[2', column 7: field 'a': ']' is missing");
  CHECK(error_of("f64 a[1073741824]") ==
        "layout: with field 'a' a message has 8589934592 bytes, but at most 1073741824 are possible");
}

TEST_CASE("what is wrong with the data is said with its column") {
  CHECK(error_of("u8 a", "{a: 256}") == "data, column 5: field 'a': '256' does not fit; u8 goes from 0 to 255");
  CHECK(error_of("u8 a", "{a: -1}") == "data, column 5: field 'a': '-1' is no u8");
  CHECK(error_of("i8 a", "{a: -129}") == "data, column 5: field 'a': '-129' does not fit; i8 goes from -128 to 127");
  CHECK(error_of("i32 a", "{a: 1.5}") == "data, column 5: field 'a': '1.5' is no i32");
  CHECK(error_of("f32 a", "{a: 1e39}") == "data, column 5: field 'a': '1e39' is too large for f32");
  CHECK(error_of("bool a", "{a: 2}") == "data, column 5: field 'a': '2' is no bool");
  CHECK(error_of("u8 a[2]", "{a: [1]}") == "data, column 5: field 'a' has 2 elements, but 1 are given");
  CHECK(error_of("u8 a[2]", "{a: [1, [2]]}") == "data, column 9: field 'a': this is no u8");
  CHECK(error_of("u8 a[2]", "{a: 1}") == "data, column 5: field 'a' has 2 elements; give them as a list, [...]");
  CHECK(error_of("char a[2]", "{a: abc}") == "data, column 5: field 'a': 'abc' has 3 bytes, but there is room for 2");
  CHECK(error_of("u8 first", "{fist: 1}") == "data, column 2: the layout has no field 'fist'; did you mean 'first'?");
  CHECK(error_of("u8 a", "{a: 1, a: 2}") == "data, column 8: field 'a' is there twice");
  CHECK(error_of("u8 a", "5") == "data, column 1: with a layout the message is a YAML map, like '{a: ...}'");
  CHECK(error_of("u8 a", "{a: [1").starts_with("data, column "));
}
