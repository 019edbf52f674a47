#include <sluice/detail/yaml_document.hpp>

#include <sluice/detail/quote.hpp>

#include "topic/yaml_text.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

namespace sluice::detail {

/// What a node costs with everything below it.
struct YamlExtent {
  std::size_t nodes = 0;
  std::size_t text = 0;
  std::size_t depth = 0;

  void add_child(const YamlExtent& child) {
    nodes += child.nodes;
    text += child.text;
    depth = std::max(depth, child.depth);
  }
};

namespace {

// A few lines of aliases can stand for terabytes; these bound what a document becomes once aliases are resolved.
constexpr std::size_t kMostValues = 1'000'000;
constexpr std::size_t kMostText = std::size_t{64} << 20U;
// Everybody who walks a document recurses. yaml-cpp's own limit (500) is far above this one.
constexpr std::size_t kDeepest = 64;

YamlExtent measure(const YamlNode& node) {
  YamlExtent extent;
  for (const YamlNode& item : node.items()) extent.add_child(measure(item));
  for (const YamlNode::Entry& entry : node.entries()) {
    extent.add_child(measure(entry.value));
    extent.text += entry.key.size();
  }
  extent.nodes += 1;
  extent.text += node.text().size();
  extent.depth += 1;
  return extent;
}

}  // namespace

/// Builds the tree from yaml-cpp's events. Collections that are still open are on `stack_`, innermost last.
class YamlBuilder final : public YAML::EventHandler {
 public:
  YamlBuilder(const std::string& text, std::string source) : text_(text), source_(std::move(source)) {
    root_.origin_ = Origin{source_, 1, 1};
  }

  [[nodiscard]] YamlNode take_root() { return std::move(root_); }

  [[nodiscard]] Origin origin_of(const YAML::Mark& mark) const {
    return Origin{source_, std::max(mark.line + 1, 0), std::max(mark.column + 1, 0)};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (document_seen_) {
      const bool marked = text_.compare(static_cast<std::size_t>(std::max(mark.pos, 0)), 3, "---") == 0;
      fail(mark, marked ? "a second document begins here; a file holds one document"
                        : "the document has ended, and nothing may follow it");
    }
    document_seen_ = true;
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) fail(mark, "a key is missing here; if the word itself is meant, put it in quotes");
    // yaml-cpp reads a line without a colon as a key with no value; only the null's place tells. In flow style it does
    // the same after an unclosed '[', of which it then complains itself.
    if (in_mapping() && stack_.back().block && stack_.back().key_mark.pos == mark.pos) {
      fail(mark, "no ':' after the key " + quote(*stack_.back().key));
    }
    spend({1, 0, 0}, mark);
    add(make(mark, YamlNode::Kind::null), anchor, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    spend({1, value.size(), 0}, mark);
    YamlNode node = make(mark, YamlNode::Kind::scalar);
    node.text_ = value;
    node.quoted_ = tag == "!";
    if (expects_key() && !node.quoted_ && value == "<<") {
      fail(mark, "merge keys ('<<') are not supported; repeat the settings, or use a wildcard topic");
    }
    add(std::move(node), anchor, mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "an alias inside the very value that its anchor names");
    const YamlExtent extent = measure(found->second);
    require_depth(stack_.size() + extent.depth, mark);
    spend(extent, mark);
    add(found->second, YAML::NullAnchor, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, YamlNode::Kind::sequence, style);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, YamlNode::Kind::mapping, style);
  }

  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    YAML::Mark mark;
    bool block = false;
    std::optional<std::string> key;  // read, and waiting for its value
    YAML::Mark key_mark;
    std::unordered_map<std::string, Origin> keys;
  };

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& message) const {
    throw ConfigError(origin_of(mark), message);
  }

  [[nodiscard]] bool in_mapping() const { return !stack_.empty() && stack_.back().node.is_mapping(); }
  [[nodiscard]] bool expects_key() const { return in_mapping() && !stack_.back().key; }

  YamlNode make(const YAML::Mark& mark, YamlNode::Kind kind) const {
    YamlNode node;
    node.kind_ = kind;
    node.origin_ = origin_of(mark);
    return node;
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    fail(mark, "explicit tag " + quote(tag) + " is not supported; remove it");
  }

  void require_depth(std::size_t depth, const YAML::Mark& mark) const {
    if (depth > kDeepest) fail(mark, "nested more than " + std::to_string(kDeepest) + " levels deep");
  }

  void spend(const YamlExtent& extent, const YAML::Mark& mark) {
    spent_.add_child(extent);
    if (spent_.nodes > kMostValues) {
      fail(mark, "more than " + std::to_string(kMostValues) + " values once aliases are resolved");
    }
    if (spent_.text > kMostText) fail(mark, "more than 64MiB of text once aliases are resolved");
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind,
            YAML::EmitterStyle::value style) {
    refuse_tag(mark, tag);
    // yaml-cpp takes what follows an unclosed bracket for the rest of a key.
    if (expects_key()) fail(mark, "a key must be a single word, found a list or a mapping; is a bracket left open?");
    require_depth(stack_.size() + 1, mark);
    spend({1, 0, 0}, mark);
    stack_.push_back(Open{
        make(mark, kind), anchor, mark, style == YAML::EmitterStyle::Block, std::nullopt, YAML::Mark::null_mark(), {}});
  }

  void close() {
    Open closed = std::move(stack_.back());
    stack_.pop_back();
    add(std::move(closed.node), closed.anchor, closed.mark);
  }

  /// Puts a complete node where it belongs. `mark` is where it is used, which for an alias is not where it was written.
  void add(YamlNode node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (anchor != YAML::NullAnchor) {
      spend(measure(node), mark);  // anchors are kept as copies, and nested ones would multiply
      anchors_.insert_or_assign(anchor, node);
    }
    if (stack_.empty()) {
      root_ = std::move(node);
    } else if (stack_.back().node.is_sequence()) {
      stack_.back().node.items_.push_back(std::move(node));
    } else if (expects_key()) {
      add_key(node, mark);
    } else {
      Open& mapping = stack_.back();
      mapping.node.entries_.push_back({std::move(*mapping.key), origin_of(mapping.key_mark), std::move(node)});
      mapping.key.reset();
    }
  }

  void add_key(const YamlNode& node, const YAML::Mark& mark) {
    if (!node.is_scalar()) fail(mark, "a key must be a single word, found " + node.describe());
    Open& mapping = stack_.back();
    const auto [place, inserted] = mapping.keys.emplace(node.text(), origin_of(mark));
    if (!inserted) {
      fail(mark, "the key " + quote(node.text()) + " was already given at " + place->second.text());
    }
    mapping.key = node.text();
    mapping.key_mark = mark;
  }

  const std::string& text_;
  std::string source_;
  YamlNode root_;
  bool document_seen_ = false;
  YamlExtent spent_;
  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, YamlNode> anchors_;
};

namespace {

/// yaml-cpp's most frequent sentences describe its own state; these say what to look for.
std::string explain(const std::string& message) {
  if (message == YAML::ErrorMsg::END_OF_MAP_FLOW) return "',' or '}' is missing before this place";
  if (message == YAML::ErrorMsg::END_OF_SEQ_FLOW) return "',' or ']' is missing in this list";
  if (message == YAML::ErrorMsg::END_OF_MAP) {
    return "expected 'key: value'; is a ':' missing, or the indentation wrong?";
  }
  if (message == YAML::ErrorMsg::END_OF_SEQ) return "expected the next '- '; is the indentation wrong?";
  if (message == YAML::ErrorMsg::MAP_VALUE) return "':' is not allowed here; indent with spaces, quote text with ': '";
  if (message == YAML::ErrorMsg::EOF_IN_SCALAR) return "the file ends inside quotes; a closing quote is missing";
  return message;
}

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.substr(text.starts_with(kMark) ? kMark.size() : 0);
}

/// yaml-cpp takes the end of the text for a closing quote when that end is an empty line, and so would swallow the rest
/// of a file in silence. A comment there makes it see the mistake and changes nothing else.
void guard_end(std::string& text) {
  const std::size_t last = text.find_last_not_of(" \t");
  if (last == std::string::npos) return;
  if (text[last] == '\n') text += last + 1 == text.size() ? "#" : "\n#";
}

}  // namespace

YamlNode parse_yaml(const std::string& whole, const std::string& source) {
  std::string text{without_byte_order_mark(whole)};
  check_yaml_text(text, source);
  guard_end(text);
  YamlBuilder builder{text, source};
  try {
    std::istringstream stream{text};
    YAML::Parser parser{stream};
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    throw ConfigError(builder.origin_of(error.mark), "not valid YAML: " + explain(error.msg));
  }
  return builder.take_root();
}

YamlNode load_yaml(const std::string& path) { return parse_yaml(read_yaml_file(path), path); }

}  // namespace sluice::detail
