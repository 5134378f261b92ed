// What forward returns, as tensors with names: tuples, named tuples, lists and dictionaries are taken apart where what
// is in them is fixed.
//
// A tensor's path says how it is reached ("state" then "0"); keys and fields are names, positions are not. A None that
// stands there for every input is left out. What has no fixed structure (keys, a length or a None that the input
// decides) is refused: a reply has the same outputs for every request.
#pragma once

namespace {

std::optional<IValue> constantOf(Value *value) {
    if (auto constant = toIValue(value)) return constant;
    // A key such as f"layer{i}" with a known i, which no pass of libtorch evaluates.
    if (value->node()->kind() != aten::format) return std::nullopt;
    const LayeredGraph::Step step = LayeredGraph::stepOf(value->node());
    if (!step.inputs.empty()) return std::nullopt;
    Stack stack;
    InterpreterState(step.code).run(stack);
    return stack.at(0);
}

bool holdsOthers(const Node *node) {
    return node->kind() == prim::TupleConstruct || node->kind() == prim::ListConstruct ||
           node->kind() == prim::DictConstruct;
}

/// A dictionary that is made, filled and read in the graph's own block, by constant keys, becomes one literal of what
/// is in it at the end; reads become the tensors themselves.
class DictionaryFolding {
   public:
    explicit DictionaryFolding(Graph &graph) : graph_(graph) {}

    bool run() {
        bool any = false;
        for (bool changed = true; changed;) {
            changed = false;
            for (Node *node : graph_.nodes()) {
                if (node->kind() != prim::DictConstruct || !fold(node)) continue;
                any = changed = true;
                break;
            }
        }
        return any;
    }

   private:
    Graph &graph_;
    struct Entry {
        IValue key;
        Value *value;
    };
    using Entries = std::vector<Entry>;

    static Entry *find(Entries &entries, const IValue &key) {
        const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry &e) { return e.key == key; });
        return found == entries.end() ? nullptr : &*found;
    }

    static bool set(Entries &entries, Value *key, Value *value) {
        const auto constant = constantOf(key);
        if (!constant || !(constant->isString() || constant->isInt())) return false;
        if (Entry *entry = find(entries, *constant)) {
            entry->value = value;
        } else {
            entries.push_back({*constant, value});
        }
        return true;
    }

    /// Is what holds the dictionary only returned?
    bool isOnlyReturned(const Node *holder) const {
        if (holder->owningBlock() != graph_.block()) return false;
        for (const auto &use : holder->output()->uses()) {
            if (use.user != graph_.return_node() && !(holdsOthers(use.user) && isOnlyReturned(use.user))) return false;
        }
        return true;
    }

    bool fold(Node *made) {
        std::vector<torch::jit::Use> uses = made->output()->uses();
        std::stable_sort(uses.begin(), uses.end(),
                         [](const auto &a, const auto &b) { return a.user != b.user && a.user->isBefore(b.user); });
        Entries entries;
        for (size_t i = 0; i + 1 < made->inputs().size(); i += 2) {
            if (!set(entries, made->inputs()[i], made->inputs()[i + 1])) return false;
        }
        std::vector<std::pair<Node *, Value *>> reads;
        std::vector<Node *> writes;
        Node *holder = nullptr;
        for (const auto &use : uses) {
            Node *user = use.user;
            if (user == graph_.return_node() || (holdsOthers(user) && isOnlyReturned(user))) {
                if (holder == nullptr) holder = user;
                continue;
            }
            if (user->owningBlock() != graph_.block() || use.offset != 0) return false;
            // What is put into it behind a holder is in the holder too.
            if (user->kind() == aten::_set_item && holder == nullptr) {
                if (user->inputs()[2] == made->output() || !set(entries, user->inputs()[1], user->inputs()[2]))
                    return false;
                writes.push_back(user);
            } else if (user->kind() == aten::__getitem__) {
                const auto key = constantOf(user->inputs()[1]);
                const Entry *entry = key ? find(entries, *key) : nullptr;
                if (entry == nullptr) return false;
                reads.emplace_back(user, entry->value);
            } else {
                return false;
            }
        }
        if (reads.empty() && writes.empty()) return false;
        for (size_t i = 0; i < reads.size(); i++) {
            // What is read may itself have been read before.
            for (size_t j = 0; j < i; j++) {
                if (reads[i].second == reads[j].first->output()) reads[i].second = reads[j].second;
            }
            Value *read = reads[i].first->output();
            read->replaceAllUsesWith(reads[i].second);
            for (Entry &entry : entries) {
                if (entry.value == read) entry.value = reads[i].second;
            }
        }
        if (holder != nullptr) replace(made, entries, holder);
        for (const auto &[node, value] : reads) node->destroy();
        for (Node *node : writes) node->destroy();
        made->destroy();
        return true;
    }

    void replace(Node *made, const Entries &entries, Node *holder) {
        const torch::jit::WithInsertPoint guard(holder);
        std::vector<Value *> keys, values;
        for (const Entry &entry : entries) {
            keys.push_back(graph_.insertConstant(entry.key));
            values.push_back(entry.value);
        }
        const auto type = made->output()->type()->expect<c10::DictType>();
        Node *literal = graph_.insertNode(graph_.createDict(type->getKeyType(), type->getValueType(), keys, values));
        std::vector<torch::jit::Use> uses = made->output()->uses();
        for (const auto &use : uses) {
            if (use.user == graph_.return_node() || holdsOthers(use.user))
                use.user->replaceInput(use.offset, literal->output());
        }
    }
};

/// The tensors that a graph returns, with their paths, or why they are not fixed.
class OutputStructure {
   public:
    struct Step {
        std::string text;
        bool isName;
    };
    using Path = std::vector<Step>;
    struct Leaf {
        Value *value;
        Path path;
    };
    std::vector<Leaf> leaves;
    /// Where a None stands for every input.
    std::vector<std::string> omitted;
    /// Empty where the structure is fixed.
    std::string problem;

    explicit OutputStructure(const std::shared_ptr<Graph> &graph) : graph_(*graph), aliases_(graph) {
        const std::vector<Value *> outputs = graph_.outputs().vec();
        for (size_t i = 0; i < outputs.size() && problem.empty(); i++) {
            visit(outputs[i], outputs.size() == 1 ? Path{} : Path{{std::to_string(i), false}});
        }
    }

    static std::string written(const Path &path) {
        std::string text;
        for (const Step &step : path) text += (text.empty() ? "" : ".") + step.text;
        return text;
    }

   private:
    Graph &graph_;
    AliasDb aliases_;

    static Path with(Path path, std::string text, bool isName) {
        path.push_back({std::move(text), isName});
        return path;
    }

    static bool isTensor(const Value *value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }

    /// Made once, in the graph's own block, and never changed.
    bool isFixed(const Value *value, Symbol kind) const {
        return value->node()->kind() == kind && value->node()->owningBlock() == graph_.block() &&
               !aliases_.hasWriters(value);
    }

    void visit(Value *value, const Path &path) {
        if (!problem.empty()) return;
        const auto type = value->type();
        if (value->mustBeNone() || type->kind() == c10::TypeKind::NoneType) {
            omitted.push_back(path.empty() ? "0" : written(path));
        } else if (isTensor(value)) {
            leaves.push_back({value, path});
        } else if (const auto tuple = type->cast<c10::TupleType>()) {
            visitTuple(value, *tuple, path);
        } else if (type->kind() == c10::TypeKind::DictType) {
            visitDictionary(value, path);
        } else if (type->kind() == c10::TypeKind::ListType) {
            visitList(value, path);
        } else if (type->kind() == c10::TypeKind::OptionalType) {
            refuse(path, value,
                   " that is a tensor for some inputs and None for others; return a tensor always, or never");
        } else if (type->isSubtypeOf(*c10::NumberType::get()) || type->kind() == c10::TypeKind::BoolType) {
            refuse(path, value, "; return a tensor: torch.tensor(…) of it");
        } else {
            refuse(path, value, "; return a tensor, or tuples, named tuples, dictionaries and lists of tensors");
        }
    }

    void visitTuple(Value *value, const c10::TupleType &type, const Path &path) {
        Node *node = value->node();
        std::vector<Value *> parts;
        if (node->kind() == prim::TupleConstruct && node->owningBlock() == graph_.block()) {
            parts = node->inputs().vec();
        } else {
            const torch::jit::WithInsertPoint guard(graph_.return_node());
            parts = graph_.insertNode(graph_.createTupleUnpack(value))->outputs().vec();
        }
        const auto &schema = type.schema();
        for (size_t i = 0; i < parts.size(); i++) {
            const bool isNamed = schema != nullptr && i < schema->arguments().size();
            visit(parts[i], with(path, isNamed ? schema->arguments()[i].name() : std::to_string(i), isNamed));
        }
    }

    void visitDictionary(Value *value, const Path &path) {
        Node *node = value->node();
        if (!isFixed(value, prim::DictConstruct)) {
            return refuse(path, value,
                          " whose keys are not fixed; fill it outside of branches and loops with keys that are written "
                          "down, or return a named tuple of tensors");
        }
        for (size_t i = 0; i + 1 < node->inputs().size(); i += 2) {
            const auto key = constantOf(node->inputs()[i]);
            if (!key || !(key->isString() || key->isInt() || key->isBool())) {
                return refuse(path, value,
                              " with a key that is computed or no text; use texts that are written down as keys");
            }
            const std::string text = key->isString() ? key->toStringRef()
                                     : key->isInt()  ? std::to_string(key->toInt())
                                                     : (key->toBool() ? "True" : "False");
            visit(node->inputs()[i + 1], with(path, text, true));
        }
    }

    void visitList(Value *value, const Path &path) {
        const auto parts = partsOfList(value);
        if (!parts) {
            return refuse(path, value,
                          " whose length is not fixed; return a tuple or a list that is written down, or one tensor "
                          "(torch.stack, torch.cat)");
        }
        for (size_t i = 0; i < parts->size(); i++) visit((*parts)[i], with(path, std::to_string(i), false));
    }

    std::optional<std::vector<Value *>> partsOfList(Value *value) {
        Node *node = value->node();
        if (isFixed(value, prim::ListConstruct)) return node->inputs().vec();
        if (isFixed(value, aten::add)) {
            auto first = partsOfList(node->inputs()[0]);
            const auto second = first ? partsOfList(node->inputs()[1]) : std::nullopt;
            if (!second) return std::nullopt;
            first->insert(first->end(), second->begin(), second->end());
            return first;
        }
        const auto count = lengthOf(value);
        if (!count) return std::nullopt;
        Node *unpack = graph_.createListUnpack(value, *count);
        unpack->insertAfter(node);
        return unpack->outputs().vec();
    }

    /// How many parts an operator gives that is told so; an input that is too short for them is refused when it comes.
    std::optional<size_t> lengthOf(const Value *value) const {
        static const OperatorNames byCount("aten::chunk aten::unsafe_chunk aten::tensor_split");
        static const OperatorNames bySizes("aten::split_with_sizes aten::unsafe_split_with_sizes aten::split");
        static const OperatorNames byInputs("aten::broadcast_tensors aten::meshgrid");
        const Node *node = value->node();
        if (node->owningBlock() != graph_.block() || node->inputs().empty() || aliases_.hasWriters(value))
            return std::nullopt;
        const auto argument = node->inputs().size() > 1 ? toIValue(node->inputs()[1]) : std::nullopt;
        if (byCount.contain(node) && argument && argument->isInt() && argument->toInt() > 0) return argument->toInt();
        if (bySizes.contain(node) && argument && argument->isIntList()) return argument->toIntVector().size();
        if (byInputs.contain(node) && isFixed(node->inputs()[0], prim::ListConstruct))
            return node->inputs()[0]->node()->inputs().size();
        return std::nullopt;
    }

    void refuse(const Path &path, const Value *value, const std::string &why) {
        const std::string type = value->type()->annotation_str();
        static const std::string vowels = "AIOaeiou";
        problem = "the model returns " + std::string(vowels.find(type[0]) == std::string::npos ? "a " : "an ") + type +
                  (path.empty() ? "" : " as output \"" + written(path) + "\"") + why;
    }
};

}  // namespace
