//! From naga's IR to [`Code`].

mod body;
mod builtin;
mod expression;
mod registers;
mod statement;
mod types;

use std::collections::HashMap;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Expression, Handle, Literal, Module, ShaderStage, Span, StorageAccess, TypeInner};

use crate::Error;
use crate::code::{BuiltIn, Code, Line, Memory, Op, Place, Register, Space, Variable};
use body::Body;

/// What compiling may fail with: a construct and its line.
type Compiled<T> = Result<T, Error>;

/// A register before allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Constant(u32),
    Variable,
    Value,
}

/// Where a global variable went.
#[derive(Clone, Copy, Debug)]
enum Global {
    Memory(u32),
    Variable(u32),
}

struct Compiler<'a> {
    module: &'a Module,
    info: &'a ModuleInfo,
    text: &'a str,
    code: Code,
    kinds: Vec<Kind>,
    constants: HashMap<u32, Register>,
    globals: HashMap<Handle<naga::GlobalVariable>, Global>,
    /// Masks in use.
    depth: u32,
}

/// Compiles the only entry point of a WGSL text.
///
/// # Errors
/// Where naga refuses the text, or it has something that the simulator does not know.
pub(crate) fn compile(text: &str) -> Compiled<Code> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| Error::Wgsl(error.emit_to_string(text)))?;
    // Control flow is watched while it runs.
    let flags = ValidationFlags::all() - ValidationFlags::CONTROL_FLOW_UNIFORMITY;
    let info = Validator::new(flags, Capabilities::all())
        .validate(&module)
        .map_err(|error| Error::Wgsl(error.emit_to_string(text)))?;
    let [entry] = &module.entry_points[..] else {
        return Err(Error::Wgsl(format!("{} entry points; one is simulated", module.entry_points.len())));
    };
    if entry.stage != ShaderStage::Compute {
        return Err(Error::Wgsl(format!("{} is no compute shader", entry.name)));
    }
    let mut compiler = Compiler {
        module: &module,
        info: &info,
        text,
        code: Code { workgroup_size: entry.workgroup_size, ..Code::default() },
        kinds: Vec::new(),
        constants: HashMap::new(),
        globals: HashMap::new(),
        depth: 0,
    };
    compiler.globals()?;
    let arguments = compiler.built_ins(&entry.function)?;
    let mut body = Body::new(&entry.function, info.get_entry_point(0), arguments);
    compiler.initialise_privates()?;
    compiler.function(&mut body)?;
    compiler.push(Op::End);
    let Compiler { mut code, kinds, .. } = compiler;
    registers::allocate(&mut code, &kinds);
    Ok(code)
}

impl Compiler<'_> {
    fn line(&self, span: Span) -> Line {
        if span.is_defined() { span.location(self.text).line_number } else { 0 }
    }

    fn unknown<T>(&self, what: impl Into<String>, span: Span) -> Compiled<T> {
        let line = self.line(span);
        let text = self.text.lines().nth((line as usize).saturating_sub(1)).unwrap_or_default().trim().to_owned();
        Err(Error::Unknown { construct: what.into(), line, text })
    }

    /// A type that is not known is told with the line of what has it.
    fn known<T>(&self, result: Result<T, types::Unknown>, span: Span) -> Compiled<T> {
        result.or_else(|what| self.unknown(what, span))
    }

    fn push(&mut self, op: Op) -> Place {
        self.code.ops.push(op);
        self.here() - 1
    }

    /// The place of the next operation.
    fn here(&self) -> Place {
        self.code.ops.len() as Place
    }

    fn aim(&mut self, jump: Place) {
        let here = self.here();
        self.code.ops[jump as usize].aim(here);
    }

    fn register(&mut self, kind: Kind) -> Register {
        self.kinds.push(kind);
        (self.kinds.len() - 1) as Register
    }

    fn value(&mut self) -> Register {
        self.register(Kind::Value)
    }

    fn constant(&mut self, word: u32) -> Register {
        if let Some(known) = self.constants.get(&word) {
            return *known;
        }
        let register = self.register(Kind::Constant(word));
        self.constants.insert(word, register);
        register
    }

    fn constant_of(&self, register: Register) -> Option<u32> {
        match self.kinds[register as usize] {
            Kind::Constant(word) => Some(word),
            _ => None,
        }
    }

    /// A new variable; one without an initial value is watched for reads of what nobody wrote.
    fn variable(&mut self, name: Option<&str>, len: u32, watched: bool) -> u32 {
        let registers: Vec<Register> = (0..len).map(|_| self.register(Kind::Variable)).collect();
        let marks = watched.then_some(self.code.marks as u32);
        if watched {
            self.code.marks += len as usize;
        }
        let begin = registers.first().copied().unwrap_or_default();
        self.code.variables.push(Variable { name: name.unwrap_or("a value").to_owned(), begin, len, marks });
        (self.code.variables.len() - 1) as u32
    }

    fn slot(&mut self) -> u32 {
        self.depth += 1;
        self.code.slots = self.code.slots.max(self.depth as usize);
        self.depth - 1
    }

    fn globals(&mut self) -> Compiled<()> {
        let module = self.module;
        for (handle, global) in module.global_variables.iter() {
            let span = module.global_variables.get_span(handle);
            let inner = &module.types[global.ty].inner;
            let name = global.name.clone().unwrap_or_default();
            let space = match global.space {
                AddressSpace::Uniform => Space::Uniform,
                AddressSpace::Storage { access } => Space::Storage { written: access.contains(StorageAccess::STORE) },
                AddressSpace::WorkGroup => Space::Workgroup,
                AddressSpace::Private => {
                    let len = self.known(types::scalars(module, inner), span)?.len() as u32;
                    let variable = self.variable(Some(&name), len, global.init.is_none());
                    self.globals.insert(handle, Global::Variable(variable));
                    continue;
                }
                _ => return self.unknown(format!("the address space of {name}, {:?}", global.space), span),
            };
            if global.binding.is_some_and(|binding| binding.group != 0) {
                return self.unknown(format!("{name} in another group than 0"), span);
            }
            if matches!(inner, TypeInner::Image { .. } | TypeInner::Sampler { .. }) {
                return self.unknown(format!("{name}, a texture or sampler"), span);
            }
            let cell_bytes = if space != Space::Workgroup && types::has_half(module, inner) { 2 } else { 4 };
            let cells = match space {
                Space::Workgroup => self.known(types::scalars(module, inner), span)?.len() as u32,
                _ => types::least_bytes(module, inner) / cell_bytes,
            };
            let binding = global.binding.map(|binding| binding.binding);
            self.globals.insert(handle, Global::Memory(self.code.memories.len() as u32));
            self.code.memories.push(Memory { name, space, binding, cell_bytes, cells });
        }
        Ok(())
    }

    fn initialise_privates(&mut self) -> Compiled<()> {
        let module = self.module;
        for (handle, global) in module.global_variables.iter() {
            if let Some(Global::Variable(variable)) = self.globals.get(&handle).copied() {
                let words = match global.init {
                    Some(init) => self.constant_words(init)?,
                    None => vec![0; self.code.variables[variable as usize].len as usize],
                };
                let from: Vec<Register> = words.into_iter().map(|word| self.constant(word)).collect();
                self.set(variable, &from, false);
            }
        }
        Ok(())
    }

    /// Sets a whole variable.
    fn set(&mut self, variable: u32, from: &[Register], marks: bool) {
        let Variable { begin, marks: watched, .. } = self.code.variables[variable as usize];
        for (i, from) in from.iter().enumerate() {
            self.push(Op::Set { to: begin + i as Register, from: *from });
        }
        if let Some(first) = watched {
            let len = from.len() as u32;
            self.push(if marks { Op::Mark { first, len } } else { Op::Unmark { first, len } });
        }
    }

    /// The scalars of a constant expression.
    fn constant_words(&self, handle: Handle<Expression>) -> Compiled<Vec<u32>> {
        let expressions = &self.module.global_expressions;
        let span = expressions.get_span(handle);
        match &expressions[handle] {
            Expression::Literal(literal) => Ok(vec![self.literal(*literal, span)?]),
            Expression::Constant(constant) => self.constant_words(self.module.constants[*constant].init),
            Expression::ZeroValue(ty) => {
                let scalars = self.known(types::scalars(self.module, &self.module.types[*ty].inner), span)?;
                Ok(vec![0; scalars.len()])
            }
            Expression::Compose { components, .. } => {
                let parts: Compiled<Vec<_>> = components.iter().map(|part| self.constant_words(*part)).collect();
                Ok(parts?.concat())
            }
            Expression::Splat { size, value } => Ok(self.constant_words(*value)?.repeat(*size as usize)),
            Expression::Override(_) => self.unknown("an override", span),
            other => self.unknown(format!("a constant expression, {other:?}"), span),
        }
    }

    fn literal(&self, literal: Literal, span: Span) -> Compiled<u32> {
        match literal {
            Literal::F32(value) => Ok(value.to_bits()),
            Literal::F16(value) => Ok(value.to_f32().to_bits()),
            Literal::U32(value) => Ok(value),
            Literal::I32(value) => Ok(value as u32),
            Literal::Bool(value) => Ok(u32::from(value)),
            other => self.unknown(format!("a literal, {other:?}"), span),
        }
    }

    /// The arguments of the entry point.
    fn built_ins(&mut self, function: &naga::Function) -> Compiled<Vec<body::Value>> {
        let module = self.module;
        let mut values = Vec::new();
        for argument in &function.arguments {
            let mut registers = Vec::new();
            match (&module.types[argument.ty].inner, &argument.binding) {
                (TypeInner::Struct { members, .. }, None) => {
                    for member in members {
                        self.built_in(member.binding.as_ref(), &mut registers)?;
                    }
                }
                (_, binding) => self.built_in(binding.as_ref(), &mut registers)?,
            }
            values.push(body::Value::Registers(registers));
        }
        Ok(values)
    }

    fn built_in(&mut self, binding: Option<&naga::Binding>, registers: &mut Vec<Register>) -> Compiled<()> {
        let Some(naga::Binding::BuiltIn(built_in)) = binding else {
            return self.unknown("an argument that is no built-in value", Span::UNDEFINED);
        };
        let three = |of: fn(usize) -> BuiltIn| (0..3).map(of).collect();
        let all: Vec<BuiltIn> = match built_in {
            naga::BuiltIn::GlobalInvocationId => three(BuiltIn::GlobalId),
            naga::BuiltIn::LocalInvocationId => three(BuiltIn::LocalId),
            naga::BuiltIn::LocalInvocationIndex => vec![BuiltIn::LocalIndex],
            naga::BuiltIn::WorkGroupId => three(BuiltIn::Workgroup),
            naga::BuiltIn::NumWorkGroups => three(BuiltIn::Workgroups),
            naga::BuiltIn::WorkGroupSize => three(BuiltIn::WorkgroupSize),
            naga::BuiltIn::SubgroupSize => vec![BuiltIn::SubgroupSize],
            naga::BuiltIn::SubgroupId => vec![BuiltIn::SubgroupId],
            naga::BuiltIn::NumSubgroups => vec![BuiltIn::SubgroupCount],
            naga::BuiltIn::SubgroupInvocationId => vec![BuiltIn::WithinSubgroup],
            other => return self.unknown(format!("the built-in value {other:?}"), Span::UNDEFINED),
        };
        for built_in in all {
            // They are there from the start, like variables.
            let register = self.register(Kind::Variable);
            self.code.built_ins.push((built_in, register));
            registers.push(register);
        }
        Ok(())
    }
}
