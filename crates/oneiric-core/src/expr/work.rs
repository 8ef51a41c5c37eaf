//! How much an expression may do.
//!
//! CEL always ends, but a few nested loops or a chain of doublings end after the universe. The
//! library below has no budget, so the syntax tree gets one: [`meter`] wraps whatever costs more
//! than a step in calls of functions that count the size of the values that pass through them, and
//! refuse once [`MAX_WORK`] is spent. Expressions cannot name those functions.

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelBytes, CelInt, CelList, CelMap, CelOptional, CelString, DYN_TYPE, INT_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};

/// What one evaluation may spend. A unit is one value that an operator or a function takes, or 32
/// bytes of text; a loop pays the size of what it walks over, and its body for every item. A filter
/// over twenty thousand records with a handful of conditions fits; all of it takes about a
/// tenth of a second and at most some hundred megabytes.
pub const MAX_WORK: u64 = 1_000_000;

/// The stack for compiling, in bytes: [`super::MAX_TOKENS`] bounds how deep the parser goes.
pub(super) const COMPILE_STACK: usize = 1 << 20;

/// The stack that evaluating one level takes, measured for `1+1+…`: 1.7 KiB, and 43 KiB unoptimized.
const LEVEL_STACK: usize = if cfg!(debug_assertions) { 64 << 10 } else { 4 << 10 };

const CHARGE: &str = "@charge";
const WALK: &str = "@walk";
const PATTERN: &str = "@pattern";

thread_local! {
    // Evaluation is synchronous and calls nothing of ours but the functions below, so one cell per
    // thread is one cell per evaluation. `None` is exhausted.
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The stack for evaluating a tree of this depth, in bytes.
pub(super) fn evaluation_stack(depth: usize) -> usize {
    (depth + 4) * LEVEL_STACK
}

/// Runs one evaluation with a fresh budget; also says whether it was exceeded, because `||` and `&&`
/// swallow errors.
pub(super) fn limited<T>(evaluate: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(Some(MAX_WORK));
    let result = evaluate();
    (result, LEFT.get().is_none())
}

fn spend(units: u64) -> Result<(), ExecutionError> {
    let left = LEFT.get().and_then(|left| left.checked_sub(units));
    LEFT.set(left);
    left.map(|_| ()).ok_or_else(|| ExecutionError::function_error("work", "the budget is spent"))
}

/// The standard library and the counting functions.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        let added = env
            .add_overload(CHARGE, "charge", vec![DYN_TYPE], charge)
            .and_then(|()| env.add_overload(WALK, "walk", vec![DYN_TYPE, INT_TYPE], walk))
            .and_then(|()| env.add_overload(PATTERN, "pattern", vec![DYN_TYPE], pattern));
        added.expect("the standard library has no functions of these names");
        Arc::new(env)
    });
    Arc::clone(&ENVIRONMENT)
}

fn charge<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    spend_size(value.as_ref())?;
    Ok(value)
}

fn pattern<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        spend(super::pattern::cost(text.inner()))?;
    }
    Ok(value)
}

/// What a loop walks over. A map becomes the list of its keys in their order: CEL leaves the order
/// open, and the library below takes that of a randomly seeded hash.
fn walk<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let body = args.pop().and_then(|body| body.downcast_ref::<CelInt>().map(|body| *body.inner()));
    let value = args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let body = body.and_then(|body| u64::try_from(body).ok()).unwrap_or(1);
    spend_size(value.as_ref())?;
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        spend(body.saturating_mul(list.inner().len() as u64))?;
    }
    let Some(map) = value.downcast_ref::<CelMap<'_>>() else { return Ok(value) };
    spend(body.saturating_mul(map.inner().len() as u64))?;
    let mut keys: Vec<_> = map.inner().keys().collect();
    keys.sort();
    let keys: Vec<Box<dyn Val + 'v>> = keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

fn spend_size(value: &dyn Val) -> Result<(), ExecutionError> {
    let text = |bytes: usize| 1 + bytes as u64 / 32;
    if let Some(string) = value.downcast_ref::<CelString<'_>>() {
        return spend(text(string.inner().len()));
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        return spend(text(bytes.inner().len()));
    }
    spend(1)?;
    if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        return optional.option().map_or(Ok(()), spend_size);
    }
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        return list.inner().iter().try_for_each(|item| spend_size(item.as_ref()));
    }
    if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        return map.inner().iter().try_for_each(|(key, item)| {
            spend_size(key.inner())?;
            spend_size(item.as_ref())
        });
    }
    Ok(())
}

/// How deep a tree is.
pub(super) fn depth(expression: &IdedExpr) -> usize {
    let mut deepest = 0;
    each_child(expression, &mut |child| deepest = deepest.max(depth(child)));
    deepest + 1
}

/// What evaluating a tree once costs, loops aside.
fn weight(expression: &IdedExpr) -> u64 {
    let own = match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => 1 + text.inner().len() as u64 / 32,
        Expr::Literal(LiteralValue::Bytes(bytes)) => 1 + bytes.inner().len() as u64 / 32,
        _ => 1,
    };
    let mut sum = own;
    each_child(expression, &mut |child| sum += weight(child));
    sum
}

fn each_child(expression: &IdedExpr, visit: &mut dyn FnMut(&IdedExpr)) {
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
        Expr::Select(select) => visit(&select.operand),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(visit),
        Expr::List(list) => list.elements.iter().for_each(visit),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    visit(&entry.key);
                    visit(&entry.value);
                }
            }
        }
        Expr::Comprehension(walk) => {
            [&walk.iter_range, &walk.accu_init, &walk.loop_cond, &walk.loop_step, &walk.result]
                .into_iter()
                .for_each(visit);
        }
    }
}

/// Wraps whatever costs more than a step: the arguments of operators and functions, the elements of
/// lists and maps, which are copied, and what loops walk over.
pub(super) fn meter(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
        Expr::Select(select) => meter(&mut select.operand),
        Expr::Call(call) => meter_call(call),
        Expr::List(list) => list.elements.iter_mut().for_each(meter_value),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    meter_value(&mut entry.key);
                    meter_value(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(walk) => {
            let body = [&walk.loop_cond, &walk.loop_step].into_iter().map(weight).sum::<u64>();
            let body = LiteralValue::Int(CelInt::from(i64::try_from(body).unwrap_or(i64::MAX)));
            for part in [
                &mut walk.iter_range,
                &mut walk.accu_init,
                &mut walk.loop_cond,
                &mut walk.loop_step,
                &mut walk.result,
            ] {
                meter(part);
            }
            wrap(&mut walk.iter_range, WALK, Some(literal(body)));
        }
    }
}

fn meter_call(call: &mut CallExpr) {
    let is_namespace = |target: &IdedExpr| matches!(&target.expr, Expr::Ident(name) if name == "optional");
    let pattern = call.func_name == "matches";
    let free = is_step(&call.func_name);
    if let Some(target) = call.target.as_deref_mut().filter(|target| !is_namespace(target)) {
        if free { meter(target) } else { meter_value(target) }
    }
    for arg in &mut call.args {
        if free { meter(arg) } else { meter_value(arg) }
    }
    if let Some(arg) = call.args.last_mut().filter(|_| pattern) {
        wrap(arg, PATTERN, None);
    }
}

/// Whether a function takes one step whatever it is given.
fn is_step(function: &str) -> bool {
    matches!(
        function,
        operators::CONDITIONAL
            | operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE
            | operators::INDEX
    )
}

fn meter_value(expression: &mut IdedExpr) {
    meter(expression);
    let is_free = match &expression.expr {
        // Accumulators of loops: their parts were paid when they were added.
        Expr::Ident(name) => name.starts_with('@'),
        // The parts of a literal are paid one by one.
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) | Expr::Unspecified | Expr::Struct(_) => true,
        Expr::Select(_) | Expr::Call(_) | Expr::Comprehension(_) => false,
    };
    if !is_free {
        wrap(expression, CHARGE, None);
    }
}

fn wrap(expression: &mut IdedExpr, function: &str, more: Option<IdedExpr>) {
    let inner = std::mem::take(expression);
    let args = std::iter::once(inner).chain(more).collect();
    *expression =
        IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }) };
}

fn literal(value: LiteralValue) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(value) }
}
