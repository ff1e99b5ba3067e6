/* The words of the template language that chat templates use: what is allowed, and what is known to
 * lead out. Each table is a list in one string, blank before and behind every word. */
#ifndef SL_ARTEFACT_JINJA_WORDS_H
#define SL_ARTEFACT_JINJA_WORDS_H

/* Statements, with those that chat template engines add (generation, break, continue). */
static const char jinja_tags[] =
    " for endfor if elif else endif set endset macro endmacro call endcall filter endfilter with endwith"
    " raw endraw generation endgeneration break continue do autoescape endautoescape ";
static const char jinja_tags_out[] = " import from include extends debug ";

static const char jinja_filters[] =
    " trim tojson length count join upper lower default d list items string selectattr rejectattr select"
    " reject map first last replace int float safe escape e indent capitalize title round sort unique"
    " reverse dictsort abs batch slice sum min max wordcount truncate groupby from_json fromjson split"
    " strip ";
/* Filters that reach attributes, format fields or characters by value. */
static const char jinja_filters_out[] = " attr format xmlattr ";

static const char jinja_tests[] =
    " defined undefined none string mapping iterable sequence number boolean true false equalto eq ne lt"
    " gt le ge in even odd divisibleby lower upper sameas integer float not containing search match ";

/* Methods of strings, lists and dictionaries without a way out. */
static const char jinja_methods[] =
    " strip lstrip rstrip split rsplit splitlines startswith endswith replace upper lower title capitalize"
    " items keys values get find rfind index rindex count join append extend insert update pop copy isdigit"
    " isalpha isalnum isspace isupper islower removeprefix removesuffix partition rpartition strftime now"
    " isoformat reverse sort swapcase lookup zfill changed cycle ";

static const char jinja_callables[] =
    " raise_exception strftime_now namespace range dict loop caller tojson super ";

/* Names that hand a template its engine, its web framework or its interpreter. */
static const char jinja_names_out[] =
    " lipsum cycler joiner request config self url_for get_flashed_messages current_app import eval exec"
    " compile open getattr setattr delattr globals locals vars builtins os sys subprocess importlib pty"
    " socket shutil popen system breakpoint input ";
/* The same where something is asked of them; else they may be a caller's plain variables. */
static const char jinja_names_doubtful[] = " g session app context environment ctx application ";

static const char jinja_attributes_out[] =
    " mro func_globals func_code im_func im_self gi_frame gi_code gi_yieldfrom cr_frame cr_code ag_frame"
    " ag_code tb_frame tb_next f_globals f_locals f_builtins f_back f_code co_code popen system builtins"
    " environ application subclasses import_module exec eval spawn check_output Popen ";

/* Words of the language itself, which are no variables. */
static const char jinja_keywords[] =
    " and or not in is if else elif for true false none True False None recursive ";

/* Kinds of content that templates tell apart by name. */
static const char jinja_content_kinds[] =
    " text image image_url video video_url audio audio_url input_audio input_text output_text input_image"
    " input_video file document documents type content role name tool tools tool_call tool_calls tool_use"
    " tool_response tool_result thinking reasoning reasoning_content url data function json parameters"
    " arguments string ";

#endif
