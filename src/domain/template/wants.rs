//! Which fields a text cannot do without, where only some have a value.
//!
//! A text may ask whether a field has one, `{% if interview.date is defined %}`, or say what stands in for
//! it, `{{ profile.first_name|default("there") }}`. Then it is whole without it. minijinja tells all names
//! that a text has, without how it has them; so its own parser reads the text, and the tree is walked. Of a
//! condition on values both sides count, since they are known only when somebody is texted.

use std::collections::BTreeSet;

use minijinja::Error;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::parse;

use super::bounds;

/// The names that a text wants and that have no value by `has`.
pub(super) fn wanted(text: &str, has: &dyn Fn(&str) -> bool) -> Result<BTreeSet<String>, Error> {
    bounds::check(text)?;
    let mut walk = Walk { has, wanted: BTreeSet::new() };
    walk.statement(&parse(text, "text", Default::default())?);
    Ok(walk.wanted)
}

struct Walk<'h> {
    has: &'h dyn Fn(&str) -> bool,
    wanted: BTreeSet<String>,
}

impl Walk<'_> {
    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(whole) => self.statements(&whole.children),
            Stmt::EmitExpr(emit) => self.value(&emit.expr),
            Stmt::IfCond(choice) => match self.truth(&choice.expr) {
                Some(true) => self.statements(&choice.true_body),
                Some(false) => self.statements(&choice.false_body),
                None => {
                    self.value(&choice.expr);
                    self.statements(&choice.true_body);
                    self.statements(&choice.false_body);
                }
            },
            Stmt::ForLoop(each) => {
                self.value(&each.iter);
                self.values(&each.filter_expr);
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            // A text has no other statements (`bounds`).
            _ => {}
        }
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn values<'e, 't: 'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr<'t>>) {
        expressions.into_iter().for_each(|expression| self.value(expression));
    }

    /// An expression whose value is wanted.
    fn value(&mut self, expression: &Expr<'_>) {
        if let Some(name) = name(expression) {
            if !(self.has)(&name) {
                self.wanted.insert(name);
            }
            return;
        }
        match expression {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::UnaryOp(one) => self.value(&one.expr),
            Expr::BinOp(two) => {
                self.value(&two.left);
                let decided = match two.op {
                    BinOpKind::ScAnd => self.truth(&two.left) == Some(false),
                    BinOpKind::ScOr => self.truth(&two.left) == Some(true),
                    _ => false,
                };
                if !decided {
                    self.value(&two.right);
                }
            }
            Expr::Compare(chain) => {
                self.value(&chain.expr);
                self.values(chain.ops.iter().map(|op| &op.expr));
            }
            Expr::IfExpr(choice) => match self.truth(&choice.test_expr) {
                Some(true) => self.value(&choice.true_expr),
                Some(false) => self.values(&choice.false_expr),
                None => {
                    self.values([&choice.test_expr, &choice.true_expr]);
                    self.values(&choice.false_expr);
                }
            },
            Expr::Filter(filter) => {
                let stands_in = matches!(filter.name, "default" | "d");
                match filter.expr.as_ref().and_then(name).filter(|_| stands_in) {
                    Some(name) if (self.has)(&name) => {}
                    Some(_) => self.arguments(&filter.args),
                    None => {
                        self.values(&filter.expr);
                        self.arguments(&filter.args);
                    }
                }
            }
            Expr::Test(test) => {
                if self.truth(expression).is_none() {
                    self.value(&test.expr);
                    self.arguments(&test.args);
                }
            }
            Expr::GetAttr(part) => self.value(&part.expr),
            Expr::GetItem(part) => self.values([&part.expr, &part.subscript_expr]),
            Expr::Slice(part) => {
                self.value(&part.expr);
                self.values([&part.start, &part.stop, &part.step].into_iter().flatten());
            }
            Expr::Call(call) => {
                self.value(&call.expr);
                self.arguments(&call.args);
            }
            Expr::List(list) => self.values(&list.items),
            Expr::Tuple(list) => self.values(&list.items),
            Expr::Map(map) => self.values(map.keys.iter().chain(&map.values)),
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.value(value),
            }
        }
    }

    /// What a condition comes to, where what has a value decides it.
    fn truth(&self, expression: &Expr<'_>) -> Option<bool> {
        match expression {
            Expr::Test(test) => {
                let has = (self.has)(&name(&test.expr)?);
                match test.name {
                    "defined" => Some(has),
                    "undefined" => Some(!has),
                    _ => None,
                }
            }
            Expr::UnaryOp(one) if matches!(one.op, UnaryOpKind::Not) => Some(!self.truth(&one.expr)?),
            Expr::BinOp(two) => match (two.op, self.truth(&two.left), self.truth(&two.right)) {
                (BinOpKind::ScAnd, Some(true), right) | (BinOpKind::ScOr, Some(false), right) => right,
                (BinOpKind::ScAnd, Some(false), _) => Some(false),
                (BinOpKind::ScOr, Some(true), _) => Some(true),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `profile.first_name`, if that is what an expression is.
fn name(expression: &Expr<'_>) -> Option<String> {
    match expression {
        Expr::GetAttr(part) => match &part.expr {
            Expr::Var(group) => Some(format!("{}.{}", group.id, part.name)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text wants of `a.a`, which has no value, and `a.b`, which has one.
    fn check(text: &str, expected: &[&str]) {
        let wanted = wanted(text, &|name| name == "a.b").unwrap();
        assert_eq!(wanted.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn what_is_only_asked_for_is_not_wanted() {
        check("{{ a.a }} {{ a.b }}", &["a.a"]);
        check("{% if a.a is defined %}{{ a.a }}{% endif %}", &[]);
        check("{% if a.a is undefined %}{{ a.c }}{% else %}{{ a.a }}{% endif %}", &["a.c"]);
        check("{% if not a.a is defined %}{{ a.c }}{% endif %}", &["a.c"]);
        check("{% if a.b is defined and a.a is defined %}{{ a.c }}{% endif %}", &[]);
        check("{% if a.b is defined or a.a %}{{ a.c }}{% endif %}", &["a.c"]);
        check("{{ a.a if a.a is defined else a.b }}", &[]);
        check("{{ a.a is defined and a.a }}", &[]);
        // Guarded once is not guarded everywhere.
        check("{% if a.a is defined %}{{ a.a }}{% endif %}{{ a.a }}", &["a.a"]);
    }

    #[test]
    fn what_has_a_stand_in_is_not_wanted_and_the_stand_in_is() {
        check("Hi {{ a.a|default('there') }}", &[]);
        check("Hi {{ a.a|d(a.c) }}, {{ a.b|d(a.c) }}", &["a.c"]);
        check("{{ a.b|d(a.c) }}", &[]);
        check("{{ a.a|upper }}", &["a.a"]);
        check("{{ a.a|upper|default('there') }}", &["a.a"]);
    }

    #[test]
    fn a_condition_on_values_leaves_both_sides() {
        check("{% if a.b == 'x' %}{{ a.a }}{% else %}{{ a.c }}{% endif %}", &["a.a", "a.c"]);
        check("{% if a.a == 'x' %}{% elif a.c is defined %}{{ a.c }}{% endif %}", &["a.a"]);
        check("{% for x in a.a %}{{ a.c }}{% endfor %}", &["a.a", "a.c"]);
        check("{{ a.a ~ 1 < 2 < a.c }}{{ a.b.d(a.d) }}", &["a.a", "a.c", "a.d"]);
    }
}
